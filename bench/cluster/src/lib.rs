//! A real Kubernetes control plane on this machine, for tests and benchmarks: etcd, kube-apiserver and
//! kube-controller-manager as child processes. Knows nothing of Tidegate.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = tidegate_bench_cluster::shared().await?;
//! let namespace = cluster.namespace("orders").await?;
//! cluster.kubectl_ok(&["apply", "-n", &namespace, "-f", "-"], "…manifests…").await?;
//! # Ok(())
//! # }
//! ```
//! A test that stops or pauses a server starts a [`Cluster`] of its own; all others share one per process.

mod audit;
mod binaries;
mod cluster;
mod credentials;
mod fault;
mod identity;
mod kubectl;
pub mod kubelet;
mod network;
mod ports;
mod process;
mod servers;
mod wait;

pub use audit::AuditLine;
pub use cluster::{Cluster, Options, shared};
pub use identity::TokenFor;
#[doc(hidden)]
pub use network::enter;
pub use wait::eventually;

#[doc(hidden)]
pub use ctor;

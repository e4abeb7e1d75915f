//! Stands in for the scheduler and the kubelets: makes nodes, binds pods to them, and lives the pods' lives as far as
//! the API shows them. What a container runs is up to the test: nothing, a local process, or a server in this process.
//!
//! Real: nodes, bindings, addresses that can be listened on and connected to, environment from Secrets, ConfigMaps
//! and fields, readiness probes (HTTP and TCP), restarts with back-off, `preStop.sleep`, grace periods, deletion. Not
//! there: volumes, images, init containers (taken as done), exec probes, liveness, restart policies but `Always`,
//! resources, taints.

mod container;
mod environment;
mod node;
mod pod;
mod pods;
mod probe;
mod schedule;
mod status;

pub use container::{Container, Runs};
pub use pod::READY_ANNOTATION;

use crate::cluster::config;
use crate::{Cluster, network};
use anyhow::Context as _;
use kube::Client;
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;

const FIRST_NODES: [&str; 2] = ["node-a", "node-b"];

/// The stand-in of one cluster. Its pods end with the cluster.
pub struct Kubelet {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// What all pods need.
struct Shared {
    client: Client,
    images: Mutex<HashMap<String, Runs>>,
    nodes: Mutex<BTreeMap<String, network::Address>>,
    turn: AtomicUsize,
    /// Where containers' output goes.
    logs: PathBuf,
    /// The process group that dies with the cluster.
    group: i32,
}

impl Cluster {
    /// The kubelets' stand-in, started at the first call with the nodes `node-a` and `node-b`. Until then pods stay
    /// pending, as on a cluster without nodes.
    ///
    /// # Errors
    /// This process has no network of its own (see [`own_network`](crate::own_network)), or the API server's.
    pub async fn kubelet(&self) -> anyhow::Result<&Kubelet> {
        self.kubelet.get_or_try_init(|| Kubelet::start(self)).await
    }
}

impl Kubelet {
    async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        network::check()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("kubelet")
            .enable_all()
            .build()?;
        let config = config(&cluster.as_user("kubelet-stand-in", "system:masters")?).await?;
        let client = {
            let _guard = runtime.enter();
            Client::try_from(config)?
        };
        let logs = cluster.dir().join("pods");
        std::fs::create_dir_all(&logs)?;
        let shared = Arc::new(Shared {
            client,
            images: Mutex::default(),
            nodes: Mutex::default(),
            turn: AtomicUsize::new(0),
            logs,
            group: cluster.group(),
        });
        let kubelet = Self { shared, runtime: Some(runtime) };
        for name in FIRST_NODES {
            kubelet.add_node(name).await?;
        }
        kubelet.on_runtime(pods::run(Arc::clone(&kubelet.shared)))?;
        Ok(kubelet)
    }

    fn on_runtime<F>(&self, future: F) -> anyhow::Result<tokio::task::JoinHandle<F::Output>>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        Ok(self.runtime.as_ref().context("the kubelet ended")?.spawn(future))
    }

    /// What containers of `image` run from now on. Of an image that no one has set, nothing is run and pods are ready.
    pub fn set(&self, image: &str, runs: Runs) {
        self.shared.images.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to_owned(), runs);
    }

    /// Adds a node, ready and without taints.
    ///
    /// # Errors
    /// The API server's.
    pub async fn add_node(&self, name: &str) -> anyhow::Result<Ipv4Addr> {
        let address = network::Address::take();
        let ip = address.ip();
        self.shared.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), address);
        let (client, name) = (self.shared.client.clone(), name.to_owned());
        self.on_runtime(async move { node::create(client, &name, ip).await })?.await??;
        Ok(ip)
    }

    /// Where the output of a process in a pod is. The file is there once the process is.
    #[must_use]
    pub fn log(&self, namespace: &str, pod: &str, container: &str) -> PathBuf {
        self.shared.log(namespace, pod, container)
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn runs(&self, image: &str) -> Runs {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.get(image).cloned().unwrap_or(Runs::Nothing)
    }

    fn node_address(&self, name: &str) -> Option<Ipv4Addr> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.get(name).map(network::Address::ip)
    }

    fn node_names(&self) -> Vec<String> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn log(&self, namespace: &str, pod: &str, container: &str) -> PathBuf {
        self.logs.join(format!("{namespace}.{pod}.{container}.log"))
    }
}

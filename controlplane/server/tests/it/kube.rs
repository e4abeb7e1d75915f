//! The control plane against a real API server: etcd, kube-apiserver and kube-controller-manager as processes, kubectl as people use
//! it. Each test has a namespace of its own, and a control plane that looks at nothing else.

mod client;
mod families;
mod faults;
mod gate;
mod gateways;
mod guide;
mod life;
mod permissions;
mod refused;
mod replicas;
mod revoked;
mod stage;

//! What a cluster holds beside our resources, as far as compiling needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use tidegate_controlplane_api::ObjectRef;

/// Facts of a cluster at one moment; a directory has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Pods of the gateway DaemonSet, by name.
    pub gateways: BTreeMap<String, Gateway>,
    /// Names of all nodes.
    pub nodes: BTreeSet<String>,
    /// The pods behind MCPServers.
    pub workloads: BTreeMap<ObjectRef, Arc<Workload>>,
    /// Services that are ours, by name.
    pub services: BTreeMap<NamespacedName, Service>,
    /// Secrets that exist.
    pub secrets: BTreeSet<NamespacedName>,
    /// ConfigMaps that exist.
    pub config_maps: BTreeSet<NamespacedName>,
    /// The image with the program that serves stdio servers over HTTP; none: the one of this version.
    pub bridge_image: Option<Arc<str>>,
}

/// Namespace and name of an object whose kind is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

/// One gateway pod that has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The node it runs on.
    pub node: String,
    /// `status.podIP`.
    pub address: IpAddr,
    /// Its `Ready` condition.
    pub ready: bool,
    /// It is being deleted.
    pub terminating: bool,
}

/// The pods of one MCPServer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// `spec.replicas` of the StatefulSet as observed; none: there is no such object yet.
    pub replicas: Option<u32>,
    /// Pods that are ready and not being deleted.
    pub ready: u32,
    /// Why a pod fails, as in `CrashLoopBackOff`; none while none does.
    pub failure: Option<String>,
    /// From the EndpointSlices of its Service, sorted: what may be called.
    pub endpoints: Vec<PodEndpoint>,
}

/// One address of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodEndpoint {
    /// Of the pod.
    pub address: IpAddr,
    /// Of the container.
    pub port: u16,
    /// The pod is terminating and still serving: sessions that are there stay, new ones go elsewhere.
    pub draining: bool,
}

/// A Service as the API server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// UID of the object that owns it.
    pub owner: Option<String>,
    /// `spec.ports[0].targetPort`: where it is recorded which port of the gateways a virtual server has.
    pub target_port: Option<u16>,
    /// `spec.clusterIP`, unless headless.
    pub cluster_ip: Option<IpAddr>,
    /// `spec.ports[0].nodePort`.
    pub node_port: Option<u16>,
    /// Addresses or host names of the load balancer.
    pub ingress: Vec<String>,
}

impl NamespacedName {
    /// From its parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

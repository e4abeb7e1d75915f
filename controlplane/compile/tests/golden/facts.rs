//! `cluster.json`: what a cluster holds beside the manifests, short to write.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile::{Cluster, Gateway, NamespacedName, PodEndpoint, Service, Workload};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Facts {
    nodes: BTreeSet<String>,
    /// `node: address`, ready; with ` not ready` or ` terminating` behind it.
    gateways: BTreeMap<String, String>,
    /// `namespace/name`.
    services: BTreeMap<String, ServiceFacts>,
    /// `namespace/name`.
    workloads: BTreeMap<String, WorkloadFacts>,
    secrets: Vec<String>,
    config_maps: Vec<String>,
    bridge_image: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServiceFacts {
    owner: Option<String>,
    target_port: Option<u16>,
    node_port: Option<u16>,
    #[serde(default)]
    ingress: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WorkloadFacts {
    replicas: Option<u32>,
    #[serde(default)]
    ready: u32,
    failure: Option<String>,
    /// `address:port`, with ` draining` behind it.
    #[serde(default)]
    endpoints: Vec<String>,
}

pub(crate) fn read(bytes: &[u8]) -> Cluster {
    let facts: Facts = serde_json::from_slice(bytes).expect("cluster.json holds facts");
    let names = |list: Vec<String>| list.iter().map(|name| namespaced(name)).collect();
    Cluster {
        nodes: facts.nodes,
        gateways: facts.gateways.iter().map(|(node, text)| gateway(node, text)).collect(),
        services: facts
            .services
            .into_iter()
            .map(|(name, facts)| (namespaced(&name), service(facts)))
            .collect(),
        workloads: facts
            .workloads
            .into_iter()
            .map(|(name, facts)| (server(&name), workload(facts)))
            .collect(),
        secrets: names(facts.secrets),
        config_maps: names(facts.config_maps),
        bridge_image: facts.bridge_image.map(Into::into),
    }
}

fn gateway(node: &str, text: &str) -> (String, Gateway) {
    let (address, state) = text.split_once(' ').unwrap_or((text, ""));
    let address: IpAddr = address.parse().expect("a gateway has an address");
    let (ready, terminating) = (!state.contains("not ready"), state.contains("terminating"));
    (format!("gateway-{node}"), Gateway { node: node.to_owned(), address, ready, terminating })
}

fn service(facts: ServiceFacts) -> Service {
    let ServiceFacts { owner, target_port, node_port, ingress } = facts;
    Service { owner, target_port, node_port, ingress, ..Service::default() }
}

fn workload(facts: WorkloadFacts) -> Arc<Workload> {
    let WorkloadFacts { replicas, ready, failure, endpoints } = facts;
    let endpoints = endpoints.iter().map(|text| endpoint(text)).collect();
    Arc::new(Workload { replicas, ready, failure, endpoints })
}

fn endpoint(text: &str) -> PodEndpoint {
    let (address, state) = text.split_once(' ').unwrap_or((text, ""));
    let (address, port) = address.rsplit_once(':').expect("an endpoint has a port");
    let address = address.trim_matches(['[', ']']).parse().expect("an endpoint has an address");
    PodEndpoint { address, port: port.parse().expect("a port is a number"), draining: state == "draining" }
}

fn namespaced(name: &str) -> NamespacedName {
    let (namespace, name) = name.split_once('/').expect("namespace/name");
    NamespacedName::new(namespace, name)
}

fn server(name: &str) -> ObjectRef {
    let NamespacedName { namespace, name } = namespaced(name);
    ObjectRef { kind: Kind::McpServer, namespace, name }
}

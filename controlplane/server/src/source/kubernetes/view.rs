//! The mirrors put together: documents, and the facts of the cluster that compiling needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controlplane_api::{Diagnostic, Kind, ObjectRef};
use tidegate_controlplane_compile::{Cluster, ClusterView, Gateway, NamespacedName, PodEndpoint, Workload};

use super::mirrors::Mirrors;
use crate::source::Observation;

/// The present observation; without a view until everything has been listed once.
pub(super) fn observe(mirrors: &Mirrors, bridge_image: Option<&Arc<str>>, epoch: u64) -> Observation {
    let (mut diagnostics, synced) = mirrors.condition();
    if !synced {
        return Observation { view: None, diagnostics, epoch };
    }
    let (mut documents, mut unreadable) = (Vec::new(), Vec::new());
    for mirror in mirrors.customs.values() {
        mirror.look(|objects| {
            for custom in objects.values() {
                diagnostics.extend(custom.diagnostics.iter().cloned());
                documents.extend(custom.document.clone());
                // Otherwise its document says its name.
                unreadable.extend(custom.object.clone().filter(|_| custom.document.is_none()));
            }
        });
    }
    Diagnostic::sort(&mut diagnostics);
    let view = ClusterView::of_cluster(documents, unreadable, Arc::new(cluster(mirrors, bridge_image)));
    Observation { view: Some(Arc::new(view)), diagnostics, epoch }
}

fn cluster(mirrors: &Mirrors, bridge_image: Option<&Arc<str>>) -> Cluster {
    Cluster {
        gateways: gateways(mirrors),
        nodes: mirrors.nodes.look(|nodes| nodes.keys().map(|node| node.name.to_string()).collect()),
        workloads: workloads(mirrors),
        services: mirrors.services.look(|services| {
            services.iter().map(|(name, service)| (name.clone(), service.fact.clone())).collect()
        }),
        secrets: mirrors.secrets.look(|secrets| secrets.keys().cloned().collect()),
        config_maps: mirrors.config_maps.look(|maps| maps.keys().cloned().collect()),
        bridge_image: bridge_image.cloned(),
    }
}

fn gateways(mirrors: &Mirrors) -> BTreeMap<String, Gateway> {
    mirrors.gateways.look(|pods| {
        let gateway = |(name, pod): (&NamespacedName, &super::native::KeptPod)| {
            let gateway = Gateway {
                node: pod.node.clone()?,
                address: pod.address?,
                ready: pod.ready,
                terminating: pod.terminating,
            };
            Some((name.name.to_string(), gateway))
        };
        pods.iter().filter_map(gateway).collect()
    })
}

/// Of every object that has a workload, pods or endpoints. The names of our Services say which MCPServer they are of.
fn workloads(mirrors: &Mirrors) -> BTreeMap<ObjectRef, Workload> {
    let mut workloads: BTreeMap<ObjectRef, Workload> = BTreeMap::new();
    let server = |namespace: &str, name: &str| ObjectRef::new(Kind::McpServer, namespace, name);
    mirrors.stateful_sets.look(|sets| {
        for (name, set) in sets {
            workloads.entry(server(&name.namespace, &name.name)).or_default().replicas = Some(set.replicas);
        }
    });
    mirrors.pods.look(|pods| {
        for (name, pod) in pods {
            let workload = workloads.entry(server(&name.namespace, &pod.instance)).or_default();
            if pod.terminating {
                continue;
            }
            workload.ready += u32::from(pod.ready);
            workload.failure = workload.failure.take().or_else(|| pod.failure.clone());
        }
    });
    mirrors.slices.look(|slices| {
        // those made here name gateways, also for `mcp-NAME-proxy`
        for (name, slice) in slices.iter().filter(|(_, slice)| !slice.made_here) {
            let Some(instance) = slice.service.strip_prefix("mcp-") else { continue };
            let workload = workloads.entry(server(&name.namespace, instance)).or_default();
            workload.endpoints.extend(slice.endpoints.iter().cloned());
        }
    });
    for workload in workloads.values_mut() {
        settle(&mut workload.endpoints);
    }
    workloads
}

/// Sorted, each address once: while slices change, one may stand in two of them. Ready wins.
fn settle(endpoints: &mut Vec<PodEndpoint>) {
    endpoints.sort_unstable();
    endpoints.dedup_by_key(|endpoint| (endpoint.address, endpoint.port));
}

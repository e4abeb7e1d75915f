//! The mirrors put together: documents, and the facts of the cluster that compiling needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controlplane_api::{Diagnostic, Kind, ObjectRef};
use tidegate_controlplane_compile::{
    Cluster, ClusterView, Gateway, NamespacedName, Objects, PodEndpoint, Workload,
};

use super::custom::Custom;
use super::mirror::Mirror;
use super::mirrors::Mirrors;
use crate::source::Observation;

/// Makes observations, each from the last: what was made of a mirror is used again until it changes.
#[derive(Debug)]
pub(super) struct Observer {
    mirrors: Mirrors,
    bridge_image: Option<Arc<str>>,
    kinds: BTreeMap<Kind, OfKind>,
    /// With the revisions of the mirrors that it was made from.
    cluster: Option<(Vec<u64>, Arc<Cluster>)>,
}

/// What one mirror of ours holds.
#[derive(Debug, Default)]
struct OfKind {
    revision: u64,
    objects: Arc<Objects>,
    unreadable: Vec<ObjectRef>,
    diagnostics: Vec<Diagnostic>,
}

impl Observer {
    pub(super) fn new(mirrors: Mirrors, bridge_image: Option<Arc<str>>) -> Self {
        Self { mirrors, bridge_image, kinds: BTreeMap::new(), cluster: None }
    }

    /// The present observation; without a view until everything has been listed once.
    pub(super) fn observe(&mut self, epoch: u64) -> Observation {
        let (mut diagnostics, synced) = self.mirrors.condition();
        if !synced {
            return Observation { view: None, diagnostics, epoch };
        }
        for (kind, mirror) in &self.mirrors.customs {
            let revision = mirror.revision();
            if self.kinds.get(kind).is_none_or(|known| known.revision != revision) {
                self.kinds.insert(*kind, OfKind::of(mirror, revision));
            }
        }
        let cluster = self.cluster();
        let unreadable = self.kinds.values().flat_map(|kind| kind.unreadable.iter().cloned());
        let objects = self.kinds.iter().map(|(kind, of)| (*kind, Arc::clone(&of.objects))).collect();
        diagnostics.extend(self.kinds.values().flat_map(|kind| &kind.diagnostics).cloned());
        Diagnostic::sort(&mut diagnostics);
        let view = ClusterView::of_cluster(objects, unreadable, cluster);
        Observation { view: Some(Arc::new(view)), diagnostics, epoch }
    }

    fn cluster(&mut self) -> Arc<Cluster> {
        let revisions = self.mirrors.native_revisions();
        match &self.cluster {
            Some((of, cluster)) if *of == revisions => Arc::clone(cluster),
            _ => {
                let cluster = Arc::new(cluster(&self.mirrors, self.bridge_image.as_ref()));
                self.cluster = Some((revisions, Arc::clone(&cluster)));
                cluster
            }
        }
    }
}

impl OfKind {
    fn of(mirror: &Mirror<Custom>, revision: u64) -> Self {
        let (mut objects, mut of) = (Objects::new(), Self { revision, ..Self::default() });
        mirror.look(|customs| {
            for custom in customs.values() {
                of.diagnostics.extend(custom.diagnostics.iter().cloned());
                match &custom.document {
                    Some(document) => drop(objects.insert(document.object_ref.clone(), Arc::clone(document))),
                    None => of.unreadable.extend(custom.object.clone()),
                }
            }
        });
        Self { objects: Arc::new(objects), ..of }
    }
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
fn workloads(mirrors: &Mirrors) -> BTreeMap<ObjectRef, Arc<Workload>> {
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
    workloads.into_iter().map(|(object, workload)| (object, Arc::new(workload))).collect()
}

/// Sorted, each address once: while slices change, one may stand in two of them. Ready wins.
fn settle(endpoints: &mut Vec<PodEndpoint>) {
    endpoints.sort_unstable();
    endpoints.dedup_by_key(|endpoint| (endpoint.address, endpoint.port));
}

//! Names of Services. Users depend on them, so that they are the original's; they can collide (`mcp-a-proxy` is the front of
//! the MCPServer `a` and the workload's Service of one called `a-proxy`): what is there stays its owner's.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controlplane_api::{Kind, ObjectRef};

use super::{Front, Fronts, Hindrance, Port};
use crate::annotation::ENDPOINT;
use crate::view::ClusterView;
use crate::view::cluster::{Cluster, NamespacedName, Service};

/// Longest name of a Service.
const LONGEST: usize = 63;
/// Longest name of an MCPServer: a StatefulSet's, as labels of its pods have 11 characters more.
const LONGEST_WORKLOAD: usize = 52;

/// An object, before it has a port.
pub(super) type Claim = (ObjectRef, Front);

/// The Service of an MCPServer's own pods.
pub(crate) fn workload_service(name: &str) -> String {
    format!("mcp-{name}")
}

/// The objects that may have a front, each with the Service's name or what is in the way of it; in order of objects.
pub(super) fn claim(view: &ClusterView, cluster: &Cluster) -> Vec<Claim> {
    let candidates: Vec<_> =
        view.names(&Fronts::KINDS).filter_map(|object| candidate(view, cluster, object)).collect();
    let mut owners: BTreeMap<NamespacedName, &ObjectRef> = BTreeMap::new();
    for there in [true, false] {
        for Candidate { object, uid, services } in &candidates {
            for service in services.iter().filter(|service| owned(cluster, service, uid).is_some() == there) {
                owners.entry(service.clone()).or_insert(object);
            }
        }
    }
    let front = |candidate: &Candidate<'_>| (candidate.object.clone(), candidate.front(cluster, &owners));
    candidates.iter().map(front).collect()
}

struct Candidate<'a> {
    object: &'a ObjectRef,
    uid: Arc<str>,
    /// The front's first.
    services: Vec<NamespacedName>,
}

/// An object that may have a front. One that cannot be read has what it had.
fn candidate<'a>(view: &ClusterView, cluster: &Cluster, object: &'a ObjectRef) -> Option<Candidate<'a>> {
    let name = &object.name;
    let names = match object.kind {
        Kind::VirtualMcpServer => vec![format!("vmcp-{name}")],
        Kind::McpServer => vec![format!("mcp-{name}-proxy"), workload_service(name)],
        Kind::McpRemoteProxy => vec![format!("mcp-{name}-remote-proxy")],
        _ => return None,
    };
    let services: Vec<_> = names.iter().map(|name| NamespacedName::new(&object.namespace, name)).collect();
    let uid = match view.get(object) {
        Some(document) if object.kind == Kind::McpServer && document.annotation(ENDPOINT).is_some() => {
            return None;
        }
        Some(document) => document.object.metadata().uid.as_deref(),
        None => cluster.services.get(&services[0]).and_then(|service| service.owner.as_deref()),
    };
    Some(Candidate { object, uid: uid?.into(), services })
}

fn owned<'a>(cluster: &'a Cluster, name: &NamespacedName, uid: &str) -> Option<&'a Service> {
    cluster.services.get(name).filter(|service| service.owner.as_deref() == Some(uid))
}

impl Candidate<'_> {
    fn front(&self, cluster: &Cluster, owners: &BTreeMap<NamespacedName, &ObjectRef>) -> Front {
        let service = &self.services[0];
        let port = match self.services.iter().find_map(|service| self.hindrance(service, owners)) {
            Some(hindrance) => Err(hindrance),
            None => Ok(Port { number: 0, recorded: false }),
        };
        let observed = owned(cluster, service, &self.uid).cloned();
        Front { service: Arc::clone(&service.name), uid: Arc::clone(&self.uid), port, observed }
    }

    fn hindrance(
        &self,
        service: &NamespacedName,
        owners: &BTreeMap<NamespacedName, &ObjectRef>,
    ) -> Option<Hindrance> {
        let name = &service.name;
        if self.object.kind == Kind::McpServer && self.object.name.len() > LONGEST_WORKLOAD {
            let message = format!(
                "the name of an MCPServer may have {LONGEST_WORKLOAD} characters, as its pods are named after it; rename it"
            );
            return Some(Hindrance { reason: "InvalidName", message });
        }
        if name.len() > LONGEST || name.contains('.') {
            let message = format!(
                "a Service cannot be called {name}: it may have {LONGEST} characters, and no dots; rename the object"
            );
            return Some(Hindrance { reason: "InvalidServiceName", message });
        }
        let owner = owners.get(service).filter(|owner| **owner != self.object)?;
        let message = format!("the Service {name} is that of {owner}; rename one of the two");
        Some(Hindrance { reason: "ServiceNameTaken", message })
    }
}

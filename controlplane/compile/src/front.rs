//! Fronts: the Service through which an object is reached at the gateways, with a port of the gateways of its own.
//! A VirtualMCPServer has one, and so have an MCPServer and an MCPRemoteProxy, for which there is no proxy pod. ADR 0015.

mod exposed;
mod names;
mod ports;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tidegate_controlplane_api::{Kind, ObjectRef};

use crate::child::{Child, ChildKey, ChildKind, Content, FrontService, Gateways, Slice};
use crate::draft::Draft;
use crate::view::ClusterView;
use crate::view::cluster::{Cluster, NamespacedName, Service};

pub(crate) use names::workload_service;
pub(crate) use ports::PORTS;
use ports::PORTS_EXHAUSTED;

/// The fronts of a cluster.
pub(crate) struct Fronts {
    fronts: BTreeMap<ObjectRef, Front>,
    gateways: Gateways,
    /// Every node has a gateway that is ready.
    everywhere: bool,
    /// What gateways listen on: all their addresses.
    address: IpAddr,
}

/// One object's front.
pub(crate) struct Front {
    /// Name of the Service.
    pub(crate) service: Arc<str>,
    /// Of the object.
    uid: Arc<str>,
    /// The gateways' port for it, or why it cannot have one.
    port: Result<Port, Hindrance>,
    /// The Service as it is, if it is there and the object's.
    pub(crate) observed: Option<Service>,
}

/// A port of the gateways.
#[derive(Clone, Copy)]
struct Port {
    number: u16,
    /// The Service says so already. Only then do gateways listen on it: every replica of the control plane sees the
    /// same record, while what one of them is about to write is known to it alone.
    recorded: bool,
}

/// Why an object has no front, as reason and message of a condition. All but `PortsExhausted` are about its name.
#[derive(Clone, Debug)]
pub(crate) struct Hindrance {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Fronts {
    /// Of all objects that may have one; none without a cluster.
    pub(crate) fn plan(view: &ClusterView) -> Option<Self> {
        let cluster = view.cluster()?;
        let fronts = ports::allocate(names::claim(view, cluster));
        let v6 = cluster.gateways.values().any(|gateway| gateway.address.is_ipv6());
        Some(Self {
            fronts,
            gateways: Gateways::of(cluster),
            everywhere: everywhere(cluster),
            address: if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() },
        })
    }

    pub(crate) fn of(&self, object: &ObjectRef) -> Option<&Front> {
        self.fronts.get(object)
    }

    /// Where gateways listen for it.
    pub(crate) fn listen(&self, front: &Front) -> Option<SocketAddr> {
        let port = front.port.as_ref().ok().filter(|port| port.recorded)?;
        Some(SocketAddr::new(self.address, port.number))
    }

    /// Wants the Service and its EndpointSlices.
    pub(crate) fn keep(&self, object: &ObjectRef, front: &Front, service: FrontService, draft: &mut Draft) {
        let Ok(port) = &front.port else { return };
        let service = FrontService { target: port.number, local: self.everywhere, ..service };
        let child = Child::new(object, &front.uid, Content::Front(service));
        draft.compiled.children.insert(key(ChildKind::Service, object, &front.service), child);
        self.keep_slices(object, front, draft);
    }

    /// Leaves what is there of an object that cannot be read as it is, but for the gateways that it leads to.
    pub(crate) fn leave(&self, object: &ObjectRef, draft: &mut Draft) {
        draft.leave_alone(object);
        if let Some(front) = self.of(object).filter(|front| front.observed.is_some()) {
            self.keep_slices(object, front, draft);
        }
    }

    fn keep_slices(&self, object: &ObjectRef, front: &Front, draft: &mut Draft) {
        let Ok(port) = &front.port else { return };
        for (end, gateways) in self.gateways.slices() {
            let name = format!("{}-{end}", front.service);
            let (service, gateways) = (Arc::clone(&front.service), Arc::clone(gateways));
            let slice = Slice { service, target: port.number, gateways };
            let child = Child::new(object, &front.uid, Content::Slice(slice));
            draft.compiled.children.insert(key(ChildKind::EndpointSlice, object, &name), child);
        }
    }
}

impl Front {
    /// The Service is there already: it stays as long as its object does, so that its address stays.
    pub(crate) fn exists(&self) -> bool {
        self.observed.is_some()
    }

    pub(crate) fn uid(&self) -> &Arc<str> {
        &self.uid
    }

    /// What is wrong with the object's name, if that is what is in the way.
    pub(crate) fn misnamed(&self) -> Option<&Hindrance> {
        self.port.as_ref().err().filter(|hindrance| hindrance.reason != PORTS_EXHAUSTED)
    }

    fn name(&self, object: &ObjectRef) -> NamespacedName {
        NamespacedName { namespace: Arc::clone(&object.namespace), name: Arc::clone(&self.service) }
    }
}

/// The name of a child in its owner's namespace.
pub(crate) fn key(kind: ChildKind, owner: &ObjectRef, name: &str) -> ChildKey {
    ChildKey { kind, namespace: Arc::clone(&owner.namespace), name: name.into() }
}

/// Of what cannot be read it is not known what it wants.
pub(crate) fn leave_unreadable(view: &ClusterView, fronts: Option<&Fronts>, draft: &mut Draft) {
    if let Some(fronts) = fronts {
        let kinds = [Kind::McpServer, Kind::McpRemoteProxy, Kind::VirtualMcpServer];
        let parents = view.unreadable().filter(|object| kinds.contains(&object.kind));
        parents.for_each(|object| fronts.leave(object, draft));
    }
}

fn everywhere(cluster: &Cluster) -> bool {
    let ready = cluster.gateways.values().filter(|gateway| gateway.ready && !gateway.terminating);
    let served: BTreeSet<&str> = ready.map(|gateway| gateway.node.as_str()).collect();
    !cluster.nodes.is_empty() && cluster.nodes.iter().all(|node| served.contains(node.as_str()))
}

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
use crate::piece::Piece;
use crate::view::ClusterView;
use crate::view::cluster::{Cluster, NamespacedName, Service};

pub(crate) use names::workload_service;
pub(crate) use ports::PORTS;
use ports::PORTS_EXHAUSTED;

/// The fronts of a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fronts {
    fronts: BTreeMap<ObjectRef, Arc<Front>>,
    nodes: Arc<Nodes>,
}

/// What all fronts have in common.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Nodes {
    gateways: Gateways,
    /// Every node has a gateway that is ready.
    everywhere: bool,
    /// What gateways listen on: all their addresses.
    address: IpAddr,
}

/// One object's front, at the gateways that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub(crate) front: Arc<Front>,
    nodes: Arc<Nodes>,
}

/// One object's front.
#[derive(Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Port {
    number: u16,
    /// The Service says so already. Only then do gateways listen on it: every replica of the control plane sees the
    /// same record, while what one of them is about to write is known to it alone.
    recorded: bool,
}

/// Why an object has no front, as reason and message of a condition. All but `PortsExhausted` are about its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hindrance {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Fronts {
    /// The kinds that may have one.
    pub(crate) const KINDS: [Kind; 3] = [Kind::McpServer, Kind::McpRemoteProxy, Kind::VirtualMcpServer];

    /// Of all objects that may have one; none without a cluster.
    pub(crate) fn plan(view: &ClusterView) -> Option<Self> {
        let cluster = view.cluster()?;
        let fronts = ports::allocate(names::claim(view, cluster));
        let v6 = cluster.gateways.values().any(|gateway| gateway.address.is_ipv6());
        let nodes = Nodes {
            gateways: Gateways::of(cluster),
            everywhere: everywhere(cluster),
            address: if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() },
        };
        let fronts = fronts.into_iter().map(|(object, front)| (object, Arc::new(front))).collect();
        Some(Self { fronts, nodes: Arc::new(nodes) })
    }

    pub(crate) fn of(&self, object: &ObjectRef) -> Option<Exposure> {
        let front = Arc::clone(self.fronts.get(object)?);
        Some(Exposure { front, nodes: Arc::clone(&self.nodes) })
    }
}

impl Exposure {
    /// Where gateways listen for it.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        let port = self.front.port.as_ref().ok().filter(|port| port.recorded)?;
        Some(SocketAddr::new(self.nodes.address, port.number))
    }

    /// Wants the Service and its EndpointSlices.
    pub(crate) fn keep(&self, object: &ObjectRef, service: FrontService, piece: &mut Piece) {
        let Self { front, nodes } = self;
        let Ok(port) = &front.port else { return };
        let service = FrontService { target: port.number, local: nodes.everywhere, ..service };
        let child = Child::new(object, &front.uid, Content::Front(service));
        piece.want(key(ChildKind::Service, object, &front.service), child);
        self.keep_slices(object, piece);
    }

    /// Wants its EndpointSlices alone.
    pub(crate) fn keep_slices(&self, object: &ObjectRef, piece: &mut Piece) {
        let Self { front, nodes } = self;
        let Ok(port) = &front.port else { return };
        for (end, gateways) in nodes.gateways.slices() {
            let name = format!("{}-{end}", front.service);
            let (service, gateways) = (Arc::clone(&front.service), Arc::clone(gateways));
            let slice = Slice { service, target: port.number, gateways };
            let child = Child::new(object, &front.uid, Content::Slice(slice));
            piece.want(key(ChildKind::EndpointSlice, object, &name), child);
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

fn everywhere(cluster: &Cluster) -> bool {
    let ready = cluster.gateways.values().filter(|gateway| gateway.ready && !gateway.terminating);
    let served: BTreeSet<&str> = ready.map(|gateway| gateway.node.as_str()).collect();
    !cluster.nodes.is_empty() && cluster.nodes.iter().all(|node| served.contains(node.as_str()))
}

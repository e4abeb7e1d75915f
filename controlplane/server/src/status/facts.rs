//! All that statuses and views are made of: what compile, push and the nodes know at one moment.

use std::sync::Arc;

use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_compile::{ObjectStatus, Withheld};
use tidegate_proto::table::{
    Backend, BackendId, Entry, EntryKey, Locality, Table, VirtualServer, VirtualServerId,
};

use super::reported::Reported;
use crate::pipeline::Outcome;
use crate::push::NodeState;

/// One moment.
pub(crate) struct Facts<'a> {
    pub(crate) outcome: &'a Outcome,
    pub(crate) reported: Reported<'a>,
    /// A connected node serves exactly what is published.
    pub(crate) any_current: bool,
}

impl<'a> Facts<'a> {
    /// Nodes that have left have no say.
    pub(crate) fn new(outcome: &'a Outcome, nodes: &'a [NodeState]) -> Self {
        let any_current = nodes.iter().any(|node| node.connected && node.current);
        Self { outcome, reported: Reported::by(nodes), any_current }
    }

    pub(crate) fn table(&self) -> Option<&'a Table> {
        self.outcome.published.as_ref().map(|version| &**version.table())
    }

    pub(crate) fn backend(&self, id: &BackendId) -> Option<&'a Backend> {
        self.table()?.backend(id)
    }

    pub(crate) fn virtual_server(&self, id: &VirtualServerId) -> Option<&'a VirtualServer> {
        match &**self.table()?.entries.get(&EntryKey::VirtualServer(id.clone()))? {
            Entry::VirtualServer(server) => Some(server),
            Entry::Backend(_) => None,
        }
    }

    /// What compile says of each object; nothing before the source has listed once.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = (&'a ObjectRef, &'a Arc<ObjectStatus>)> {
        self.outcome.compiled.iter().flat_map(|compiled| &compiled.status)
    }

    /// What compile says of an object, if it is there.
    pub(crate) fn compiled(&self, object: &ObjectRef) -> Option<&'a ObjectStatus> {
        Some(&**self.outcome.compiled.as_ref()?.status.get(object)?)
    }

    pub(crate) fn withheld(&self, key: &EntryKey) -> Option<&'a Withheld> {
        self.outcome.compiled.as_ref()?.withheld.get(key)
    }

    /// Whether a backend is somewhere else, so that it is probed on request only (spec 5.3).
    pub(crate) fn is_remote(&self, id: &BackendId) -> bool {
        self.backend(id).is_some_and(|backend| backend.locality == Locality::Remote)
    }
}

/// Where a backend is, as people write it.
pub(crate) fn url(backend: &Backend) -> String {
    let scheme = if backend.tls { "https" } else { "http" };
    format!("{scheme}://{}{}", backend.authority, backend.path)
}

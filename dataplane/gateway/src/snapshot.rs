//! The runtime form of one table version. Built off the request path, swapped in once, never changed.

use crate::backend::{BackendState, Reach};
use crate::metrics::ServerStats;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate_dataplane_core::catalog::{self, Catalog, Contribution};
use tidegate_dataplane_core::route::Routes;
use tidegate_dataplane_core::token::Sealer;
use tidegate_proto::table::{BackendId, Entry, Table, VirtualServer, VirtualServerId};
use tokio::sync::watch;

/// What one request sees of the configuration, from its first to its last byte.
pub(crate) struct Snapshot {
    pub(crate) routes: Routes,
    /// In the order that `routes` numbers them.
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) backends: BTreeMap<BackendId, Arc<BackendState>>,
    pub(crate) table: Table,
    pub(crate) sealer: Option<Arc<Sealer>>,
}

/// One virtual server at run time.
pub(crate) struct Server {
    pub(crate) spec: VirtualServer,
    /// The entry that `spec` came from: the same pointer, the same configuration.
    entry: Arc<Entry>,
    /// What `catalog` was merged from, by member.
    contributions: Vec<Option<Arc<Contribution>>>,
    pub(crate) members: Vec<Arc<Member>>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) sealer: Option<Arc<Sealer>>,
    /// Every member was tried to the end once before `catalog` was merged.
    decided: bool,
    /// What stays over edits.
    pub(crate) lasting: Arc<Lasting>,
}

/// What a virtual server keeps over edits: its counters, and the clients that wait for changes.
pub(crate) struct Lasting {
    pub(crate) stats: ServerStats,
    /// Digest of the catalog now served; a change is told to clients.
    pub(crate) catalog: watch::Sender<[u8; 32]>,
}

/// A backend as this virtual server uses it.
pub(crate) struct Member {
    pub(crate) backend: Arc<BackendState>,
    pub(crate) workload: Arc<str>,
    pub(crate) call_timeout: Duration,
}

impl Server {
    pub(crate) fn id(&self) -> &VirtualServerId {
        &self.spec.id
    }

    pub(crate) fn member_of(&self, backend: u64) -> Option<&Arc<Member>> {
        self.members.iter().find(|m| m.backend.hash == backend)
    }

    /// Is the catalog all that there is, as far as backends could be reached?
    pub(crate) fn decided(&self) -> bool {
        self.decided
    }
}

impl Snapshot {
    /// Before any table is known.
    pub(crate) fn empty() -> Self {
        Self {
            routes: Routes::new([].into_iter()),
            servers: Vec::new(),
            backends: BTreeMap::new(),
            table: Table::default(),
            sealer: None,
        }
    }

    /// The next snapshot; whatever did not change is shared with `old`.
    pub(crate) fn next(old: &Snapshot, table: &Table, sealer: Option<Arc<Sealer>>) -> Self {
        let backends = carry_backends(old, table);
        let servers: Vec<_> =
            table.entries.values().filter_map(|e| carry_server(old, e, &backends, sealer.as_ref())).collect();
        Self {
            routes: Routes::new(table.virtual_servers().map(|v| &v.id)),
            servers,
            backends,
            table: table.clone(),
            sealer,
        }
    }

    pub(crate) fn server(&self, id: &VirtualServerId) -> Option<&Arc<Server>> {
        // servers are in the table's order, which is that of their ids
        self.servers.binary_search_by(|s| s.id().cmp(id)).ok().map(|i| &self.servers[i])
    }
}

fn carry_backends(old: &Snapshot, table: &Table) -> BTreeMap<BackendId, Arc<BackendState>> {
    table
        .backends()
        .map(|spec| {
            let state = match old.backends.get(&spec.id) {
                Some(same) if same.spec == *spec => same.clone(),
                Some(edited) => BackendState::new(spec, Some(edited.shared.clone())),
                None => BackendState::new(spec, None),
            };
            (spec.id.clone(), state)
        })
        .collect()
}

/// The server as it was when nothing that it is made of changed, else a new one.
fn carry_server(
    old: &Snapshot,
    entry: &Arc<Entry>,
    backends: &BTreeMap<BackendId, Arc<BackendState>>,
    sealer: Option<&Arc<Sealer>>,
) -> Option<Arc<Server>> {
    let Entry::VirtualServer(spec) = &**entry else { return None };
    let previous = old.server(&spec.id);
    let mut spec = spec.clone();
    // an entry that was rejected and kept may refer to a backend that is gone
    spec.members.retain(|m| backends.contains_key(&m.backend));
    let members: Vec<_> = spec
        .members
        .iter()
        .filter_map(|m| {
            let backend = backends.get(&m.backend)?.clone();
            Some(Member { backend, workload: m.workload.as_str().into(), call_timeout: m.call_timeout })
        })
        .collect();
    // read before the contributions: a backend is marked as tried only after its list is there
    let decided = members.iter().all(|m| m.backend.shared.reach() != Reach::Unknown);
    let contributions: Vec<_> = members.iter().map(|m| m.backend.shared.contribution.load_full()).collect();
    if let Some(p) = previous
        && Arc::ptr_eq(&p.entry, entry)
        && p.decided == decided
        && p.same_parts(&members, &contributions, sealer)
    {
        return Some(p.clone());
    }
    let catalog = Arc::new(catalog::merge(&spec, &contributions));
    let lasting = previous.map_or_else(|| Arc::new(Lasting::new()), |p| p.lasting.clone());
    Some(Arc::new(Server {
        spec,
        entry: entry.clone(),
        members: members.into_iter().map(Arc::new).collect(),
        contributions,
        catalog,
        sealer: sealer.cloned(),
        decided,
        lasting,
    }))
}

impl Server {
    fn same_parts(
        &self,
        members: &[Member],
        contributions: &[Option<Arc<Contribution>>],
        sealer: Option<&Arc<Sealer>>,
    ) -> bool {
        let same = |a: &Option<Arc<Contribution>>, b: &Option<Arc<Contribution>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.members.len() == members.len()
            && self.members.iter().zip(members).all(|(a, b)| Arc::ptr_eq(&a.backend, &b.backend))
            && self.contributions.iter().zip(contributions).all(|(a, b)| same(a, b))
            && self.sealer.as_ref().map(Arc::as_ptr) == sealer.map(Arc::as_ptr)
    }
}

impl Lasting {
    fn new() -> Self {
        Self { stats: ServerStats::default(), catalog: watch::channel([0; 32]).0 }
    }
}

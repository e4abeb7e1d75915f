//! The runtime form of one table version. Built off the request path, swapped in once, never changed.

use crate::backend::BackendState;
use crate::metrics::ServerStats;
use crate::standing::{Cell, Clock, Standing};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tidegate_dataplane_core::breaker::Policy;
use tidegate_dataplane_core::catalog::{self, Catalog, Contribution, ExposedTool, Listing};
use tidegate_dataplane_core::fault::Fault;
use tidegate_dataplane_core::route::Routes;
use tidegate_dataplane_core::token::Sealer;
use tidegate_proto::table::{
    self, BackendId, Entry, HealthPolicy, Locality, PartialFailure, Table, VirtualServer, VirtualServerId,
};
use tokio::sync::{Notify, watch};

/// What one request sees of the configuration, from its first to its last byte.
pub(crate) struct Snapshot {
    pub(crate) routes: Arc<Routes>,
    /// In the order that `routes` numbers them.
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) backends: Arc<BTreeMap<BackendId, Arc<BackendState>>>,
    pub(crate) table: Arc<Table>,
    pub(crate) sealer: Option<Arc<Sealer>>,
}

/// One virtual server at run time.
pub(crate) struct Server {
    pub(crate) spec: Arc<VirtualServer>,
    /// The entry that `spec` came from: the same pointer, the same configuration.
    entry: Arc<Entry>,
    /// What `catalog` was merged from, by member.
    contributions: Vec<Option<Arc<Contribution>>>,
    pub(crate) members: Arc<[Arc<Member>]>,
    /// Every tool of every member, also of those that are down: what can be called.
    pub(crate) catalog: Arc<Catalog>,
    /// By position in `catalog`; empty when no tool has settings of its own.
    rules: Arc<[ToolRule]>,
    /// What clients are shown.
    pub(crate) listing: Listing,
    /// Members whose tools `listing` lacks.
    pub(crate) missing: Vec<Arc<str>>,
    pub(crate) sealer: Option<Arc<Sealer>>,
    /// Every member was tried to the end once before `catalog` was merged.
    decided: bool,
    /// What stays over edits.
    pub(crate) lasting: Arc<Lasting>,
}

/// What a virtual server keeps over edits: its counters, and the clients that wait for changes.
pub(crate) struct Lasting {
    pub(crate) stats: ServerStats,
    /// Digest of the list now served; a change is told to clients.
    pub(crate) catalog: watch::Sender<[u8; 32]>,
}

/// A backend as this virtual server uses it.
pub(crate) struct Member {
    pub(crate) server: VirtualServerId,
    pub(crate) backend: Arc<BackendState>,
    pub(crate) workload: Arc<str>,
    /// Bound of one whole call.
    pub(crate) call_timeout: Duration,
    /// Bound of connecting.
    pub(crate) connect_timeout: Duration,
    /// Bound of silence in an event stream; absent: that of the call.
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) health: HealthPolicy,
    /// Is its health looked at (spec 5.3)?
    pub(crate) probed: bool,
    /// What stays over edits.
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Clock,
    /// Wakes whoever derives the lists from how backends stand.
    pub(crate) contributed: Arc<Notify>,
}

/// What one tool has of its own.
pub(crate) struct ToolRule {
    pub(crate) timeout: Option<Duration>,
    pub(crate) breaker: Option<Arc<Cell>>,
}

/// What new members are given.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) clock: Clock,
    pub(crate) contributed: Arc<Notify>,
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

    /// A tool by its exposed name: its position in the catalog, and what it has of its own.
    #[inline]
    pub(crate) fn tool(&self, exposed: &[u8]) -> Option<(usize, Option<&ToolRule>)> {
        let position = self.catalog.position(exposed)?;
        Some((position, self.rules.get(position)))
    }

    /// Why `initialize` and lists are refused: every backend is required, and some are missing (spec 5.6).
    pub(crate) fn incomplete(&self) -> Option<Fault> {
        let fails = self.spec.partial_failure == PartialFailure::Fail && !self.missing.is_empty();
        fails.then(|| Fault::BackendsMissing { workloads: self.missing.clone().into() })
    }
}

impl Snapshot {
    /// Before any table is known.
    pub(crate) fn empty() -> Self {
        Self {
            routes: Arc::new(Routes::new([].into_iter())),
            servers: Vec::new(),
            backends: Arc::default(),
            table: Arc::default(),
            sealer: None,
        }
    }

    /// The next snapshot; whatever did not change is shared with `old`.
    pub(crate) fn next(old: &Snapshot, table: &Table, sealer: Option<Arc<Sealer>>, ground: &Ground) -> Self {
        let backends = carry_backends(old, table);
        let carry = Carry { old, backends: &backends, sealer: sealer.as_ref(), ground };
        let servers: Vec<_> = table.entries.values().filter_map(|e| carry.server(e)).collect();
        Self {
            routes: Arc::new(Routes::new(table.virtual_servers().map(|v| &v.id))),
            servers,
            backends: Arc::new(backends),
            table: Arc::new(table.clone()),
            sealer,
        }
    }

    /// The same configuration over what is known of the backends now.
    pub(crate) fn remerged(&self) -> Self {
        Self {
            routes: self.routes.clone(),
            servers: self.servers.iter().map(Server::remerged).collect(),
            backends: self.backends.clone(),
            table: self.table.clone(),
            sealer: self.sealer.clone(),
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
                Some(same) if same.follow(spec) => same.clone(),
                Some(edited) => BackendState::new(spec, Some(edited.shared.clone())),
                None => BackendState::new(spec, None),
            };
            (spec.id.clone(), state)
        })
        .collect()
}

/// What servers of the next snapshot are made from.
struct Carry<'a> {
    old: &'a Snapshot,
    backends: &'a BTreeMap<BackendId, Arc<BackendState>>,
    sealer: Option<&'a Arc<Sealer>>,
    ground: &'a Ground,
}

impl Carry<'_> {
    /// The server as it was when nothing that it is made of changed, else a new one.
    fn server(&self, entry: &Arc<Entry>) -> Option<Arc<Server>> {
        let Entry::VirtualServer(spec) = &**entry else { return None };
        let previous = self.old.server(&spec.id);
        let same = previous.filter(|p| Arc::ptr_eq(&p.entry, entry));
        let mut spec = spec.clone();
        // an entry that was rejected and kept may refer to a backend that is gone
        spec.members.retain(|m| self.backends.contains_key(&m.backend));
        let members = spec.members.iter().enumerate().filter_map(|(i, m)| {
            self.member(&spec, m, previous.and_then(|p| before(p, i, m)), same.is_some())
        });
        let members = members.collect();
        let sealer = self.sealer.cloned();
        Some(Parts { spec: Arc::new(spec), entry: entry.clone(), members, sealer }.assemble(previous, same))
    }

    /// A member, with its standing from `before` when it is still the same backend.
    fn member(
        &self,
        spec: &VirtualServer,
        m: &table::Member,
        before: Option<&Arc<Member>>,
        same_entry: bool,
    ) -> Option<Arc<Member>> {
        let backend = self.backends.get(&m.backend)?.clone();
        if let Some(b) = before
            && same_entry
            && Arc::ptr_eq(&b.backend, &backend)
        {
            return Some(b.clone());
        }
        let policy = spec.breaker.as_ref().map(policy);
        let standing = match before.filter(|b| b.backend.hash == backend.hash) {
            Some(b) if b.standing.policy() == policy => b.standing.clone(),
            Some(b) => b.standing.with_breaker(policy),
            None => Standing::new(self.ground.clock, policy),
        };
        standing.due_within(spec.health.interval);
        Some(Arc::new(Member {
            server: spec.id.clone(),
            workload: m.workload.as_str().into(),
            call_timeout: m.call_timeout,
            connect_timeout: spec.timeouts.connect,
            idle_timeout: spec.timeouts.idle,
            health: spec.health.clone(),
            probed: backend.spec.locality == Locality::Local || spec.health.probe_remote,
            standing,
            backend,
            clock: self.ground.clock,
            contributed: self.ground.contributed.clone(),
        }))
    }
}

/// What a configuration gives a server.
struct Parts {
    spec: Arc<VirtualServer>,
    entry: Arc<Entry>,
    members: Arc<[Arc<Member>]>,
    sealer: Option<Arc<Sealer>>,
}

impl Parts {
    /// The server over what is known of its backends now: `same`, the previous one if its configuration is the same, when
    /// nothing that it is made of changed.
    fn assemble(self, previous: Option<&Arc<Server>>, same: Option<&Arc<Server>>) -> Arc<Server> {
        let Self { spec, entry, members, sealer } = self;
        // read before the contributions: a backend is marked as tried only after its list is there
        let decided = members.iter().all(|m| m.backend.shared.tried());
        let contributions: Vec<_> =
            members.iter().map(|m| m.backend.shared.contribution.load_full()).collect();
        let hidden: Vec<_> = members.iter().map(|m| m.standing.hidden(m.probed)).collect();
        let missing = missing(&members, &contributions, &hidden);
        let merged = same.filter(|p| p.same_parts(&members, &contributions));
        if let Some(p) = merged
            && p.decided == decided
            && p.missing == missing
            && p.sealer.as_ref().map(Arc::as_ptr) == sealer.as_ref().map(Arc::as_ptr)
        {
            return p.clone();
        }
        let (catalog, rules) = match merged {
            Some(p) => (p.catalog.clone(), p.rules.clone()),
            None => {
                let catalog = Arc::new(catalog::merge(&spec, &contributions));
                let rules = tool_rules(&spec, &members, &catalog);
                (catalog, rules)
            }
        };
        let lasting = previous.map_or_else(|| Arc::new(Lasting::new()), |p| p.lasting.clone());
        let listing = listing(&catalog, &hidden, &missing);
        Arc::new(Server {
            spec,
            entry,
            contributions,
            members,
            catalog,
            rules,
            listing,
            missing,
            sealer,
            decided,
            lasting,
        })
    }
}

/// The member of the previous server for the same backend: usually at the same place.
fn before<'p>(previous: &'p Server, i: usize, m: &table::Member) -> Option<&'p Arc<Member>> {
    let is = |b: &&Arc<Member>| b.backend.spec.id == m.backend;
    previous.members.get(i).filter(is).or_else(|| previous.members.iter().find(is))
}

fn policy(b: &table::BreakerPolicy) -> Policy {
    Policy { failure_threshold: b.failure_threshold, open_for: b.open_for }
}

/// Members whose tools are not in the list: kept out of it, or never read.
fn missing(
    members: &[Arc<Member>],
    contributions: &[Option<Arc<Contribution>>],
    hidden: &[bool],
) -> Vec<Arc<str>> {
    let lacks = |((m, c), hidden): &((&Arc<Member>, &Option<Arc<Contribution>>), &bool)| {
        **hidden || (c.is_none() && m.backend.shared.tried())
    };
    let all = members.iter().zip(contributions).zip(hidden);
    all.filter(lacks).map(|((m, _), _)| m.workload.clone()).collect()
}

fn listing(catalog: &Catalog, hidden: &[bool], missing: &[Arc<str>]) -> Listing {
    if missing.is_empty() {
        return catalog.list().clone();
    }
    let names: Vec<&str> = missing.iter().map(|name| &**name).collect();
    catalog.list_without(|member| hidden.get(usize::from(member)) == Some(&true), &names)
}

fn tool_rules(spec: &VirtualServer, members: &[Arc<Member>], catalog: &Catalog) -> Arc<[ToolRule]> {
    let per_tool = spec.breaker.as_ref().filter(|b| b.per_tool).map(policy);
    if per_tool.is_none() && spec.timeouts.tools.is_empty() {
        return Arc::default();
    }
    let rule = |t: &ExposedTool| ToolRule {
        timeout: spec.timeouts.tools.get(&*t.exposed).copied(),
        breaker: per_tool.map(|policy| members[usize::from(t.member)].standing.tool(&t.native, policy)),
    };
    let rules = catalog.tools().map(rule).collect();
    if per_tool.is_some() {
        let exist: HashSet<_> = catalog.tools().map(|t| (usize::from(t.member), &*t.native)).collect();
        for (i, m) in members.iter().enumerate() {
            m.standing.retain_tools(|native| exist.contains(&(i, native)));
        }
    }
    rules
}

impl Server {
    /// The same configuration over what is known of the backends now.
    fn remerged(self: &Arc<Self>) -> Arc<Self> {
        let parts = Parts {
            spec: self.spec.clone(),
            entry: self.entry.clone(),
            members: self.members.clone(),
            sealer: self.sealer.clone(),
        };
        parts.assemble(Some(self), Some(self))
    }

    fn same_parts(&self, members: &[Arc<Member>], contributions: &[Option<Arc<Contribution>>]) -> bool {
        let same = |a: &Option<Arc<Contribution>>, b: &Option<Arc<Contribution>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.members.len() == members.len()
            && self.members.iter().zip(members).all(|(a, b)| Arc::ptr_eq(a, b))
            && self.contributions.iter().zip(contributions).all(|(a, b)| same(a, b))
    }
}

impl Lasting {
    fn new() -> Self {
        Self { stats: ServerStats::default(), catalog: watch::channel([0; 32]).0 }
    }
}

//! A backend at run time: what outlives snapshots (identity, contribution, counters) and what an edit
//! replaces (how to reach it).

use crate::admission::Slots;
use crate::endpoints::Endpoints;
use crate::metrics::BackendStats;
use crate::room::Room;
use crate::snapshot::Member;
use crate::stuck::StuckCalls;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_dataplane_core::budget::Budget;
use tidegate_dataplane_core::catalog::Contribution;
use tidegate_dataplane_core::token::backend_hash;
use tidegate_proto::table::{Backend, BackendId};
use tokio::sync::{Notify, Semaphore};

/// One configuration of a backend. A configuration that changed in nothing but its endpoints keeps the same value over table
/// updates.
pub(crate) struct BackendState {
    /// As configured; without `endpoints`, which have their own place.
    pub(crate) spec: Backend,
    /// Where it is now.
    pub(crate) endpoints: Endpoints,
    /// Names this configuration's connections in the threads' pools.
    pub(crate) slot: u32,
    /// Names its sessions in tokens.
    pub(crate) hash: u64,
    /// Request line behind the method, `Host` and the fields that every request carries.
    pub(crate) line: Box<[u8]>,
    /// Room for calls.
    pub(crate) slots: Slots,
    /// TCP connections that calls opened.
    pub(crate) open: Arc<Room>,
    /// And those that the gateway opened for itself, which its limit does not hold up.
    pub(crate) own_open: Arc<Room>,
    /// Calls whose clients do not read.
    pub(crate) stuck: StuckCalls,
    /// Turns of what the gateway sends for clients beside their calls: opening, ending, cancelling.
    pub(crate) own: Semaphore,
    /// What stays the same whatever the configuration.
    pub(crate) shared: Arc<Shared>,
}

/// What a backend keeps over edits.
pub(crate) struct Shared {
    /// Identity.
    pub(crate) id: BackendId,
    /// The last capability list that was read in full.
    pub(crate) contribution: ArcSwapOption<Contribution>,
    /// Counters.
    pub(crate) stats: BackendStats,
    /// What the prober last found.
    pub(crate) view: Mutex<View>,
    reach: AtomicU32,
    /// Tried to the end once, or for so long that nobody waits for it any more.
    tried: AtomicBool,
    /// Something that was sent last came to nothing: sessions are opened without waiting for it.
    suspect: AtomicBool,
    /// How long its last probe took, in microseconds.
    pub(crate) took_us: AtomicU64,
    /// A call says that a probe would find something new.
    pub(crate) hint: Notify,
    /// A breaker moved: when the next trial is due may have changed.
    pub(crate) breakers: Notify,
    /// The virtual servers that use it now.
    pub(crate) users: ArcSwap<Vec<Arc<Member>>>,
    /// Repetitions of calls.
    pub(crate) budget: Mutex<Budget>,
}

/// What is known of a backend, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) message: String,
    pub(crate) protocol_version: String,
    pub(crate) server_name: String,
    pub(crate) checked_unix_ms: u64,
}

/// What the prober knows of a backend's reachability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reach {
    /// Not tried to the end yet.
    Unknown = 0,
    /// The last attempt succeeded.
    Up = 1,
    /// The last attempt failed.
    Down = 2,
    /// It wants a credential that it does not get.
    Unauthenticated = 3,
}

/// Requests of the gateway's own, for clients, that are under way at the same time.
const OWN: usize = 64;

static SLOTS: AtomicU32 = AtomicU32::new(1);

impl BackendState {
    /// A configuration; `shared` from the previous one of the same identity.
    pub(crate) fn new(spec: &Backend, shared: Option<Arc<Shared>>) -> Arc<Self> {
        Arc::new(Self {
            slot: SLOTS.fetch_add(1, Relaxed),
            hash: backend_hash(spec),
            line: line(spec),
            slots: Slots::new(spec.limits),
            open: Arc::default(),
            own_open: Arc::default(),
            stuck: StuckCalls::default(),
            own: Semaphore::new(OWN),
            shared: shared.unwrap_or_else(|| Arc::new(Shared::new(spec.id.clone()))),
            endpoints: Endpoints::new(&spec.endpoints),
            spec: Backend { endpoints: Vec::new(), ..spec.clone() },
        })
    }

    /// Takes over an edit that changes nothing but endpoints; false, and nothing done, for any other.
    pub(crate) fn follow(&self, spec: &Backend) -> bool {
        let same = differs_in_endpoints_at_most(&self.spec, spec);
        if same {
            self.endpoints.follow(&spec.endpoints);
        }
        same
    }

    /// TCP connections that are open.
    pub(crate) fn connections(&self) -> u32 {
        self.open.taken() + self.own_open.taken()
    }

    /// Bound of connecting for the gateway's own requests: the shortest that a virtual server asks for.
    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        self.shared.users.load().iter().map(|m| m.connect_timeout).min()
    }
}

impl Shared {
    fn new(id: BackendId) -> Self {
        Self {
            id,
            contribution: ArcSwapOption::empty(),
            stats: BackendStats::default(),
            view: Mutex::default(),
            reach: AtomicU32::new(0),
            tried: AtomicBool::new(false),
            suspect: AtomicBool::new(false),
            took_us: AtomicU64::new(0),
            hint: Notify::new(),
            breakers: Notify::new(),
            users: ArcSwap::default(),
            budget: Mutex::default(),
        }
    }

    /// Was it tried to the end once, or for long enough?
    pub(crate) fn tried(&self) -> bool {
        self.tried.load(Acquire)
    }

    /// Notes that it was; true when that is news.
    pub(crate) fn set_tried(&self) -> bool {
        !self.tried.swap(true, AcqRel)
    }

    /// Did what was sent last come to nothing?
    pub(crate) fn suspect(&self) -> bool {
        self.suspect.load(Relaxed)
    }

    /// Notes it; a store only when it changes: the path of every call comes by here.
    pub(crate) fn set_suspect(&self, suspect: bool) {
        if self.suspect() != suspect {
            self.suspect.store(suspect, Relaxed);
        }
    }

    /// Reachability as last seen.
    pub(crate) fn reach(&self) -> Reach {
        match self.reach.load(Acquire) {
            1 => Reach::Up,
            2 => Reach::Down,
            3 => Reach::Unauthenticated,
            _ => Reach::Unknown,
        }
    }

    /// Notes what was seen; true when that is news.
    pub(crate) fn set_reach(&self, reach: Reach) -> bool {
        self.reach.swap(reach as u32, AcqRel) != reach as u32
    }
}

/// Field by field, so that a new one is not forgotten.
fn differs_in_endpoints_at_most(a: &Backend, b: &Backend) -> bool {
    let Backend {
        id,
        workload,
        locality,
        transport,
        tls,
        authority,
        path,
        endpoints: _,
        outgoing_auth,
        headers,
        egress,
        limits,
    } = a;
    *id == b.id
        && *workload == b.workload
        && *locality == b.locality
        && *transport == b.transport
        && *tls == b.tls
        && *authority == b.authority
        && *path == b.path
        && *outgoing_auth == b.outgoing_auth
        && *headers == b.headers
        && *egress == b.egress
        && *limits == b.limits
}

fn line(b: &Backend) -> Box<[u8]> {
    let mut out = format!(
        " {} HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n",
        b.path, b.authority
    );
    for h in &b.headers {
        out.push_str(&h.name);
        out.push_str(": ");
        out.push_str(&h.value);
        out.push_str("\r\n");
    }
    out.into_bytes().into()
}

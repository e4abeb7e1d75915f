//! The process-wide state: the snapshot now served and what builds the next one.

use crate::clients::{ClientLimits, Clients};
use crate::drain::Drain;
use crate::metrics::{NodeStats, inc};
use crate::ports::Ports;
use crate::push::{Applier, IdentityEvent, Step};
use crate::session::{Sessions, lock};
use crate::snapshot::{Ground, Server, Snapshot};
use crate::standing::Clock;
use crate::tls::TlsOptions;
use arc_swap::ArcSwap;
use pingora_core::connectors::TransportConnector;
use ring::rand::{SecureRandom, SystemRandom};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tidegate_dataplane_core::token::Sealer;
use tidegate_proto::keys::KeyRing;
use tidegate_proto::table::{EntryKey, Table};
use tokio::sync::{Notify, watch};

/// What the process is started with. Durations and sizes bound every request and cannot be exceeded by a
/// table.
#[derive(Clone, Debug)]
pub struct Options {
    /// The shared port.
    pub listen: SocketAddr,
    /// The port for clients that speak TLS, if there is one.
    pub tls: Option<TlsOptions>,
    /// Where ports of virtual servers are bound that name no address of their own (`0.0.0.0`, `[::]`); absent: everywhere.
    pub address: Option<IpAddr>,
    /// Worker threads, each with its own listeners and upstream connections.
    pub threads: usize,
    /// Further `Host` values that a loopback listener accepts.
    pub allowed_hosts: Vec<String>,
    /// Origins that browsers may call from, beside the same origin.
    pub allowed_origins: Vec<String>,
    /// Largest request body, bytes (spec 3.1: 8 MiB).
    pub max_body: usize,
    /// How long a client connection may be idle (spec 3.1: 120 s).
    pub idle: Duration,
    /// Bound of reading one request head (spec 3.1: 10 s).
    pub head: Duration,
    /// Bound of reading one request body, and of writing an answer of the gateway's own (spec 3.1: 30 s).
    pub read: Duration,
    /// Between two keep-alive comments on a GET stream.
    pub keep_alive: Duration,
    /// Bound of connecting to a backend.
    pub connect: Duration,
    /// How long `initialize` waits for backends; those that are slower are opened at their first call.
    pub initialize: Duration,
    /// Life of a session.
    pub session: Duration,
    /// How long requests may go on after SIGTERM.
    pub drain: Duration,
    /// What clients may hold.
    pub clients: ClientLimits,
    /// Listen beside the process that is to be replaced.
    pub takeover: bool,
}

impl Options {
    /// The defaults of spec 3.1 and 3.8.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            address: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body: 8 << 20,
            idle: Duration::from_secs(120),
            head: Duration::from_secs(10),
            read: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            connect: Duration::from_secs(5),
            initialize: Duration::from_secs(2),
            session: Duration::from_secs(24 * 3600),
            drain: Duration::from_secs(10),
            clients: ClientLimits::for_descriptors(u64::MAX),
            takeover: false,
        }
    }
}

/// Everything the threads share. One per process.
pub struct Gateway {
    /// How it was started.
    pub options: Options,
    snapshot: ArcSwap<Snapshot>,
    /// The one before.
    previous: Mutex<Option<Arc<Snapshot>>>,
    /// Held while the next snapshot is built; never on the request path.
    building: Mutex<()>,
    pub(crate) sessions: Sessions,
    pub(crate) stats: NodeStats,
    pub(crate) clients: Arc<Clients>,
    pub(crate) drain: Drain,
    pub(crate) ports: Ports,
    pub(crate) connector: TransportConnector,
    pub(crate) random: SystemRandom,
    /// Counts swaps; wakes whoever derives something from the snapshot.
    pub(crate) swapped: watch::Sender<u64>,
    /// Counts tables; wakes whoever derives something from the configuration.
    pub(crate) edited: watch::Sender<u64>,
    /// A backend's capabilities or state changed.
    pub(crate) contributed: Arc<Notify>,
    pub(crate) clock: Clock,
    synced: AtomicBool,
    /// The probers keep sessions at backends.
    pub(crate) probing: AtomicBool,
    has_table: AtomicBool,
    pub(crate) allocations: Option<fn() -> u64>,
}

impl Gateway {
    /// A gateway that serves nothing yet. `allocations` reads the allocator's counter, if the binary has one.
    pub fn new(options: Options, allocations: Option<fn() -> u64>) -> Arc<Self> {
        Arc::new(Self {
            ports: Ports::new(options.threads, options.takeover, options.address),
            clients: Clients::new(options.clients),
            drain: Drain::new(),
            options,
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            previous: Mutex::default(),
            building: Mutex::new(()),
            sessions: Sessions::default(),
            stats: NodeStats::default(),
            connector: TransportConnector::new(None),
            random: SystemRandom::new(),
            swapped: watch::channel(0).0,
            edited: watch::channel(0).0,
            contributed: Arc::new(Notify::new()),
            clock: Clock::start(),
            synced: AtomicBool::new(false),
            probing: AtomicBool::new(false),
            has_table: AtomicBool::new(false),
            allocations,
        })
    }

    /// Serves what a previous run left on disk, until a control plane says otherwise. Keys without a table
    /// are kept too: the control plane is told that they are held, and does not send them again.
    pub fn restore(&self, table: Option<&Table>, keys: Option<&KeyRing>) {
        let empty = Table::default();
        for (entry, reason) in self.swap(table.unwrap_or(&empty), keys) {
            tracing::warn!(%entry, reason, "entry of last-known-good not served");
        }
        self.has_table.store(table.is_some(), Relaxed);
    }

    /// For choices that nobody should foresee, but may.
    pub(crate) fn random_word(&self) -> u64 {
        let mut word = [0; 8];
        // an error: any choice is as good
        let _ = self.random.fill(&mut word);
        u64::from_ne_bytes(word)
    }

    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Has a control plane confirmed the table on this stream?
    pub fn synced(&self) -> bool {
        self.synced.load(Relaxed)
    }

    /// Ready to serve: there is a table and a key to seal sessions with, and all threads take connections.
    pub fn ready(&self) -> bool {
        self.configured() && self.drain.all_opened(self.options.threads) && !self.drain.is_stopping()
    }

    pub(crate) fn configured(&self) -> bool {
        self.has_table.load(Relaxed) && self.snapshot().sealer.is_some()
    }

    /// There is a table, and the backends in it have answered or failed once.
    pub(crate) fn warm(&self) -> bool {
        self.configured() && self.snapshot().servers.iter().all(|s| s.decided())
    }

    /// Takes no more connections, but those that the kernel has completed. Returns when all listeners are closed.
    pub(crate) async fn stop_listening(&self) {
        self.drain.announce();
        // first the sockets that are kept for the next table: then those of the accept loops are the last
        self.ports.close();
        self.drain.stop();
        self.drain.closed().await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.drain.drains()
    }

    /// Contributions changed: the same table, newly merged.
    pub(crate) fn remerge(&self) {
        let _building = lock(&self.building);
        let old = self.snapshot.load_full();
        self.install(old.remerged());
        inc(&self.stats.merges);
    }

    fn swap(&self, candidate: &Table, keys: Option<&KeyRing>) -> Vec<(EntryKey, String)> {
        let _building = lock(&self.building);
        let old = self.snapshot.load_full();
        let mut table = candidate.clone();
        let (ports, rejected) = self.ports.plan(&old.table, &mut table);
        let sealer = keys.map(|k| Arc::new(Sealer::new(k))).or_else(|| old.sealer.clone());
        self.install(Snapshot::next(&old, &table, sealer, &self.ground()));
        inc(&self.stats.swaps);
        self.edited.send_modify(|n| *n += 1);
        // only now: a connection on a new port finds its server
        self.ports.publish(ports);
        rejected
    }

    fn ground(&self) -> Ground {
        Ground { clock: self.clock, contributed: self.contributed.clone() }
    }

    fn install(&self, next: Snapshot) {
        let next = Arc::new(next);
        // kept until the next one comes: large as it is, it is not to be dropped by the last request that saw it
        *lock(&self.previous) = Some(self.snapshot.swap(next.clone()));
        for server in &next.servers {
            server.tell_changes();
        }
        self.swapped.send_modify(|n| *n += 1);
    }
}

impl Server {
    /// Wakes the clients that hold a stream when the list they know is no longer the list.
    fn tell_changes(&self) {
        let digest = self.listing.digest();
        self.lasting.catalog.send_if_modified(|known| {
            let changed = *known != digest;
            *known = digest;
            changed
        });
    }
}

impl Applier for Gateway {
    fn apply(&self, step: Step<'_>) -> Vec<(EntryKey, String)> {
        let rejected = self.swap(step.table, step.keys);
        for (key, reason) in &rejected {
            inc(&self.stats.rejected_entries);
            tracing::warn!(entry = %key, reason, "entry rejected, its previous value stays");
        }
        tracing::info!(
            version = %step.version,
            upserts = step.delta.upserts.len(),
            removals = step.delta.removals.len(),
            "table applied"
        );
        rejected
    }

    fn synced(&self, synced: bool) {
        self.has_table.fetch_or(synced, Relaxed);
        if self.synced.swap(synced, Relaxed) != synced {
            tracing::info!(synced, "control plane");
        }
    }

    fn identity(&self, event: IdentityEvent) {
        let until = match event {
            IdentityEvent::Failed => return inc(&self.stats.certificate_failures),
            IdentityEvent::Issued { until } => {
                inc(&self.stats.certificates_issued);
                until
            }
            IdentityEvent::Held { until } => until,
        };
        let seconds = until.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        self.stats.certificate_until.store(seconds, Relaxed);
    }
}

//! One prober per backend and node, however many virtual servers use the backend: it keeps a session of its own, reads
//! the list of tools, and tells every virtual server what it finds, by that server's interval, bound and threshold
//! (spec 5.1 to 5.3). Requests only ever see the result.

mod outcome;
mod plan;
mod session;

use crate::backend::{BackendState, Reach, View};
use crate::client::{self, ExchangeError, Link};
use crate::local::local;
use crate::metrics::inc;
use crate::session::{lock, unix_ms};
use crate::snapshot::{Member, Snapshot};
use crate::state::Gateway;
use outcome::{Found, chain};
use plan::Plan;
use session::OwnSession;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tidegate_dataplane_core::health::Cause;
use tidegate_proto::table::BackendId;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

/// Bound of one look at a backend whose health nobody probes.
const LIMIT: Duration = Duration::from_secs(10);

/// For how long requests wait for a backend that is new and has not answered yet.
const GRACE: Duration = Duration::from_secs(1);

/// Bound of leaving all backends when the process ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Contributions that arrive within this time make one snapshot.
const COALESCE: Duration = Duration::from_millis(2);

/// Between two snapshots while backends keep changing, and at least so many times as long as building one takes.
const MERGE_PACE: Duration = Duration::from_millis(50);
const MERGE_SHARE: u32 = 9;

/// Backends that are looked at at the same time.
const AT_ONCE: usize = 1024;

/// Keeps a prober for every backend of the table, for as long as the process runs.
pub(crate) async fn run(gw: Arc<Gateway>) {
    gw.probing.store(true, Relaxed);
    tokio::spawn(merge(gw.clone()));
    tokio::spawn(sweep());
    let mut edited = gw.edited.subscribe();
    let mut draining = gw.draining();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut kept: HashMap<BackendId, Kept> = HashMap::new();
    loop {
        edited.borrow_and_update();
        let used = used_backends(&gw.snapshot());
        kept.retain(|id, k| {
            let now = used.get(id).map(|(b, _)| b.slot);
            if now.is_none() {
                // they hold the backend, and it would hold them
                k.backend.shared.users.store(Arc::default());
            }
            if now != Some(k.backend.slot) {
                k.stop.notify_one();
            }
            now == Some(k.backend.slot)
        });
        for (id, (backend, users)) in used {
            tell_users(&backend, users);
            kept.entry(id).or_insert_with(|| Kept::start(&gw, &backend, &turns));
        }
        tokio::select! {
            changed = edited.changed() => if changed.is_err() { return },
            () = begun(&mut draining) => return leave(&gw, kept).await,
        }
    }
}

async fn begun(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|d| *d).await;
}

/// Closes connections of the probers' thread that are idle for too long.
async fn sweep() {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        local(|l| l.pool.sweep(Instant::now()));
    }
}

/// Ends the sessions at all backends; a drain waits for it, within its bound.
async fn leave(gw: &Gateway, kept: HashMap<BackendId, Kept>) {
    kept.values().for_each(|k| k.stop.notify_one());
    let all = futures_util::future::join_all(kept.into_values().map(|k| k.task));
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        tracing::info!("sessions of probers not ended at every backend");
    }
    gw.probing.store(false, Relaxed);
}

/// The backends that some virtual server uses, and by which; others in the table are left alone.
fn used_backends(snapshot: &Snapshot) -> HashMap<BackendId, (Arc<BackendState>, Vec<Arc<Member>>)> {
    let mut used: HashMap<BackendId, (Arc<BackendState>, Vec<Arc<Member>>)> = HashMap::new();
    for m in snapshot.servers.iter().flat_map(|s| s.members.iter()) {
        let entry = used.entry(m.backend.spec.id.clone());
        entry.or_insert_with(|| (m.backend.clone(), Vec::new())).1.push(m.clone());
    }
    used
}

fn tell_users(backend: &BackendState, users: Vec<Arc<Member>>) {
    let known = backend.shared.users.load();
    let same = known.len() == users.len() && known.iter().zip(&users).all(|(a, b)| Arc::ptr_eq(a, b));
    if !same {
        backend.shared.users.store(Arc::new(users));
        backend.shared.breakers.notify_one();
    }
}

/// Builds the next snapshot when contributions changed.
async fn merge(gw: Arc<Gateway>) {
    loop {
        gw.contributed.notified().await;
        tokio::time::sleep(COALESCE).await;
        let started = Instant::now();
        gw.remerge();
        tokio::time::sleep(MERGE_PACE.max(started.elapsed() * MERGE_SHARE)).await;
    }
}

struct Kept {
    backend: Arc<BackendState>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Kept {
    fn start(gw: &Arc<Gateway>, backend: &Arc<BackendState>, turns: &Arc<Semaphore>) -> Self {
        let stop = Arc::new(Notify::new());
        let prober = Prober {
            gw: gw.clone(),
            backend: backend.clone(),
            turns: turns.clone(),
            session: None,
            changed: Arc::new(Notify::new()),
            plan: Plan::new(gw.clock, backend.slot),
        };
        let task = tokio::spawn(prober.run(stop.clone()));
        Self { backend: backend.clone(), stop, task }
    }
}

struct Prober {
    gw: Arc<Gateway>,
    backend: Arc<BackendState>,
    turns: Arc<Semaphore>,
    session: Option<OwnSession>,
    /// The backend says that its list changed.
    changed: Arc<Notify>,
    plan: Plan,
}

impl Prober {
    async fn run(mut self, stop: Arc<Notify>) {
        tokio::select! {
            () = stop.notified() => {}
            () = self.work() => {}
        }
        if let Some(session) = self.session.take() {
            client::delete(&self.gw, &self.backend, Link::to(&session.opened.binding), LIMIT).await;
        }
    }

    async fn work(&mut self) {
        let (gw, backend) = (self.gw.clone(), self.backend.clone());
        let grace = async {
            tokio::time::sleep(GRACE).await;
            if backend.shared.set_tried() {
                gw.contributed.notify_one();
            }
            std::future::pending().await
        };
        tokio::select! {
            () = grace => {}
            () = async { loop { self.turn().await } } => {}
        }
    }

    /// Waits until there is something to do, and does it.
    async fn turn(&mut self) {
        let backend = self.backend.clone();
        let shared = &backend.shared;
        let users = shared.users.load_full();
        let next = self.plan.next(&users);
        tokio::select! {
            () = tokio::time::sleep_until(self.gw.clock.instant(next.at)) => {}
            () = self.changed.notified() => return self.plan.list_changed(),
            () = shared.hint.notified() => return self.plan.hinted(&users),
            () = shared.breakers.notified() => return,
            () = backend.endpoints.changed.notified() => return self.endpoints_changed(),
        }
        if next.retry_listing {
            self.plan.announced(next.at);
            // a breaker that no probe will try: its tools come back, so that a call can
            self.gw.contributed.notify_one();
        }
        if next.look {
            // boxed: a prober rests nearly always, and a look takes most of its memory
            Box::pin(self.look(&users)).await;
        }
    }

    /// Looks at once when it has no session, or not where it should be.
    fn endpoints_changed(&mut self) {
        if self.session.is_none() || self.misplaced() {
            self.plan.at_once();
        }
    }

    /// One look at the backend, told to everybody who waits for one.
    async fn look(&mut self, users: &[Arc<Member>]) {
        let turns = self.turns.clone();
        let turn = turns.acquire().await;
        let limit = users.iter().filter(|m| m.probed).map(|m| m.health.timeout).max().unwrap_or(LIMIT);
        let now = self.gw.clock.now();
        if self.plan.was_hinted(now) {
            users.iter().for_each(|m| m.standing.make_due());
        }
        inc(&self.backend.shared.stats.probes);
        let asked = outcome::ask_breakers(users, now);
        let started = Instant::now();
        let talk = tokio::time::timeout(limit, self.talk(limit)).await;
        let result = talk.unwrap_or(Err(ExchangeError::Timeout(limit)));
        drop(turn);
        let took = started.elapsed();
        self.plan.looked(now, result.is_ok(), users.iter().any(|m| m.probed));
        let found = match &result {
            Ok(()) => Found::Answer,
            Err(e) => Found::of(e),
        };
        match result {
            Ok(()) => self.answered(took),
            Err(e) => self.failed(&e, found),
        }
        if found == Found::Failure(Cause::Timeout) && self.pass_over() {
            self.leave_session();
        }
        self.backend.shared.set_suspect(found != Found::Answer);
        if outcome::tell(users, asked, found, took, now, &mut self.plan) {
            self.gw.contributed.notify_one();
        }
    }

    fn answered(&mut self, took: Duration) {
        let shared = &self.backend.shared;
        shared.took_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        if let Some(session) = &self.session {
            *lock(&shared.view) = View {
                message: String::new(),
                protocol_version: session.opened.binding.version.as_str().into(),
                server_name: session.opened.server_name.clone(),
                checked_unix_ms: unix_ms(),
            };
        }
        self.reached(Reach::Up);
    }

    fn failed(&self, e: &ExchangeError, found: Found) {
        inc(&self.backend.shared.stats.probe_failures);
        let reach = match e {
            ExchangeError::Status(401 | 403) => Reach::Unauthenticated,
            _ => Reach::Down,
        };
        let mut view = lock(&self.backend.shared.view);
        *view =
            View { message: found.words().into(), checked_unix_ms: unix_ms(), ..std::mem::take(&mut *view) };
        drop(view);
        if self.reached(reach) {
            tracing::warn!(backend = %self.backend.spec.id, error = chain(e), "backend not reachable");
        }
    }

    /// Notes what was seen last; true when that is news.
    fn reached(&self, reach: Reach) -> bool {
        let shared = &self.backend.shared;
        let news = shared.set_reach(reach);
        if shared.set_tried() || news {
            self.gw.contributed.notify_one();
        }
        news
    }
}

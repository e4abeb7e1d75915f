//! Capability lists, read in the background: one persistent session per backend and node, however many
//! virtual servers use the backend. Requests only ever see the merged result.

use crate::backend::{BackendState, Reach, View};
use crate::client::{self, ExchangeError, Link, Opened};
use crate::session::lock;
use crate::snapshot::Snapshot;
use crate::state::Gateway;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegate_dataplane_core::catalog::Contribution;
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tidegate_proto::table::BackendId;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// Bound of one request of a catalog session.
const LIMIT: Duration = Duration::from_secs(10);

/// How often a list is read again when nothing announces a change.
const INTERVAL: Duration = Duration::from_secs(30);

/// First and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Contributions that arrive within this time make one snapshot.
const COALESCE: Duration = Duration::from_millis(2);

/// Backends that are asked at the same time.
const AT_ONCE: usize = 64;

/// Keeps a session to every backend of the table, for as long as the process runs.
pub(crate) async fn run(gw: Arc<Gateway>) {
    tokio::spawn(merge(gw.clone()));
    let mut swapped = gw.swapped.subscribe();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut kept: HashMap<BackendId, Kept> = HashMap::new();
    loop {
        swapped.borrow_and_update();
        let used = used_backends(&gw.snapshot());
        kept.retain(|id, k| {
            let stays = used.get(id).is_some_and(|b| b.slot == k.slot);
            if !stays {
                k.stop.notify_one();
            }
            stays
        });
        for (id, backend) in used {
            kept.entry(id).or_insert_with(|| Kept::start(&gw, &backend, &turns));
        }
        if swapped.changed().await.is_err() {
            return;
        }
    }
}

/// The backends that some virtual server uses; others in the table are left alone.
fn used_backends(snapshot: &Snapshot) -> HashMap<BackendId, Arc<BackendState>> {
    let members = snapshot.servers.iter().flat_map(|s| &s.members);
    members.map(|m| (m.backend.spec.id.clone(), m.backend.clone())).collect()
}

/// Builds the next snapshot when contributions changed.
async fn merge(gw: Arc<Gateway>) {
    loop {
        gw.contributed.notified().await;
        tokio::time::sleep(COALESCE).await;
        gw.remerge();
    }
}

struct Kept {
    slot: u32,
    stop: Arc<Notify>,
    _task: JoinHandle<()>,
}

impl Kept {
    fn start(gw: &Arc<Gateway>, backend: &Arc<BackendState>, turns: &Arc<Semaphore>) -> Self {
        let stop = Arc::new(Notify::new());
        let keeper = Keeper { gw: gw.clone(), backend: backend.clone(), turns: turns.clone() };
        let task = tokio::spawn(keeper.run(stop.clone()));
        Self { slot: backend.slot, stop, _task: task }
    }
}

struct Keeper {
    gw: Arc<Gateway>,
    backend: Arc<BackendState>,
    turns: Arc<Semaphore>,
}

impl Keeper {
    async fn run(self, stop: Arc<Notify>) {
        let mut wait = BACKOFF.0;
        loop {
            let session = tokio::select! {
                () = stop.notified() => return,
                session = self.open() => session,
            };
            match session {
                Ok(opened) => {
                    let link =
                        Link { session: &opened.binding.session, version: Some(opened.binding.version) };
                    let ended = tokio::select! {
                        () = stop.notified() => None,
                        e = self.follow(link, &opened) => Some(e),
                    };
                    client::delete(&self.gw, &self.backend, link, LIMIT).await;
                    let Some(e) = ended else { return };
                    self.failed(&e);
                    wait = BACKOFF.0;
                }
                Err(e) => self.failed(&e),
            }
            tokio::select! {
                () = stop.notified() => return,
                () = tokio::time::sleep(jitter(wait, self.backend.slot)) => {}
            }
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    async fn open(&self) -> Result<Opened, ExchangeError> {
        let _turn = self.turns.acquire().await;
        client::initialize(&self.gw, &self.backend, ProtocolVersion::LATEST, b"", LIMIT).await
    }

    /// Reads the list, and again whenever it may have changed, until something fails.
    async fn follow(&self, link: Link<'_>, opened: &Opened) -> ExchangeError {
        let changed = Notify::new();
        let listen = async {
            if opened.announces {
                client::listen(&self.gw, &self.backend, link, &changed).await;
            }
            std::future::pending::<()>().await
        };
        let read = async {
            loop {
                if let Err(e) = self.read(link, opened).await {
                    return e;
                }
                let _ = tokio::time::timeout(jitter(INTERVAL, self.backend.slot), changed.notified()).await;
            }
        };
        tokio::select! {
            e = read => e,
            () = listen => ExchangeError::Ended,
        }
    }

    async fn read(&self, link: Link<'_>, opened: &Opened) -> Result<(), ExchangeError> {
        let pages = {
            let _turn = self.turns.acquire().await;
            client::list_tools(&self.gw, &self.backend, link, LIMIT).await?
        };
        let list = Contribution::parse(&pages).map_err(|e| ExchangeError::Protocol(e.to_string()))?;
        self.see(View {
            message: String::new(),
            protocol_version: opened.binding.version.as_str().into(),
            server_name: opened.server_name.clone(),
            checked_unix_ms: unix_ms(),
        });
        let shared = &self.backend.shared;
        let known = shared.contribution.load();
        let changed = known.as_ref().is_none_or(|k| k.digest() != list.digest());
        if changed {
            tracing::info!(backend = %shared.id, tools = list.len(), "capabilities read");
            shared.contribution.store(Some(Arc::new(list)));
        }
        if shared.set_reach(Reach::Up) || changed {
            self.gw.contributed.notify_one();
        }
        Ok(())
    }

    fn failed(&self, e: &ExchangeError) {
        let reach = match e {
            ExchangeError::Status(401 | 403) => Reach::Unauthenticated,
            _ => Reach::Down,
        };
        self.see(View { message: chain(e), checked_unix_ms: unix_ms(), ..View::default() });
        if self.backend.shared.set_reach(reach) {
            tracing::warn!(backend = %self.backend.spec.id, error = chain(e), "backend not reachable");
            self.gw.contributed.notify_one();
        }
    }

    fn see(&self, view: View) {
        *lock(&self.backend.shared.view) = view;
    }
}

/// The whole chain of causes, for the log.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(s) = source {
        text.push_str(": ");
        text.push_str(&s.to_string());
        source = s.source();
    }
    text
}

/// Up to a tenth more, spread by the backend, so that many do not act at once.
fn jitter(d: Duration, slot: u32) -> Duration {
    d + d.mul_f64(f64::from(slot.wrapping_mul(0x9E37_79B9) >> 16) / f64::from(u16::MAX) / 10.0)
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

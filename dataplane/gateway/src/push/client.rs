//! The loop around the session: carries out its effects, connects again when a stream ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tidegate_proto::keys::KeyRing;
use tidegate_proto::persist::Saved;
use tidegate_proto::push::Terms;
use tidegate_proto::push::backoff::Backoff;
use tidegate_proto::push::node::{self, CloseReason, Effect, Identity, Session};
use tidegate_proto::table::{EntryKey, Table};
use tidegate_proto::wire::{self, FromNode};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::identity::{IdentityError, NodeIdentity};
use super::stream::{Stream, StreamError};
use super::{Applier, ControlPlaneAddr, PushConfig, Step, chain, state};

/// How often the session is told the time.
const TICK: Duration = Duration::from_secs(1);

/// Least time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// How long a written table may wait for the disk; a crash of the machine loses that much.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// Least time before a stream is opened again that another process of this name has replaced.
const REPLACED: Duration = Duration::from_secs(10);

/// Added to the time before another attempt when the control plane has issued no certificate: it allows an address
/// one request every few seconds, and what is wrong takes people to repair.
const UNKNOWN: Duration = Duration::from_secs(8);

/// The push client of a node.
pub(super) struct Client {
    config: PushConfig,
    terms: Terms,
    applier: Arc<dyn Applier>,
    /// Where the control plane speaks TLS.
    identity: Option<Arc<NodeIdentity>>,
    reports: watch::Receiver<Arc<wire::Report>>,
    session: Session,
    applying: Option<JoinHandle<Refused>>,
    /// a sync is due
    unsynced: Arc<AtomicBool>,
    epoch: Instant,
    random: SystemRandom,
}

/// Entries that the gateway refuses, and why.
type Refused = Vec<(EntryKey, String)>;

/// Why a stream has ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("closed by this node: {0}")]
    Closed(CloseReason),
    #[error("the certificate of this node has been renewed")]
    Renewed,
}

impl End {
    /// How long to wait instead of `wait`. Two processes of one name would otherwise take the stream from each
    /// other all the time: while one takes over, and where a name was given twice.
    fn patience(&self, wait: Duration) -> Duration {
        match self {
            Self::Stream(e) if e.is_replaced() => wait.max(REPLACED),
            Self::Stream(StreamError::Identity(IdentityError::Refused { .. })) => wait + UNKNOWN,
            Self::Renewed => Duration::ZERO,
            _ => wait,
        }
    }

    /// The operator has to do something.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Stream(StreamError::Identity(_) | StreamError::Status(_)))
    }
}

/// What happens next on an open stream.
enum Event {
    Message(Result<wire::ToNode, StreamError>),
    Applied(Refused),
    Report,
    Renewed,
    Tick,
    Shutdown,
}

impl Client {
    pub(super) fn new(
        terms: Terms,
        config: PushConfig,
        applier: Arc<dyn Applier>,
        held: Saved,
        keys: Option<KeyRing>,
        reports: watch::Receiver<Arc<wire::Report>>,
    ) -> Self {
        let identity = Identity {
            node: config.node.clone(),
            software_version: config.software_version.clone(),
            listen: config.listen.clone(),
        };
        let session = Session::new(identity, terms, Arc::new(held.table), keys.as_ref()).at(held.epoch);
        let (epoch, random) = (Instant::now(), SystemRandom::new());
        let identity = match (&config.control_plane, &config.credentials) {
            (ControlPlaneAddr::Tls(url), Some(c)) => {
                Some(Arc::new(NodeIdentity::new(&config, url, c.clone(), applier.clone())))
            }
            _ => None,
        };
        Self {
            config,
            terms,
            applier,
            identity,
            reports,
            session,
            applying: None,
            unsynced: Arc::default(),
            epoch,
            random,
        }
    }

    pub(super) async fn run(mut self, mut shutdown: Pin<&mut impl Future<Output = ()>>) {
        let mut backoff = Backoff::default();
        let mut said = String::new();
        loop {
            let end = tokio::select! {
                biased;
                () = &mut shutdown => break,
                opened = self.open() => opened.map_err(End::from),
            };
            let end = match end {
                Ok(mut stream) => {
                    said.clear();
                    let served = self.serve(&mut stream, shutdown.as_mut()).await;
                    if self.session.is_synced() {
                        backoff.reset();
                    }
                    match served {
                        Ok(()) => break,
                        Err(end) => end,
                    }
                }
                Err(end) => end,
            };
            self.settle().await;
            let wait = end.patience(backoff.next(self.random()));
            log_end(&self.config, &end, wait, &mut said);
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.settle().await;
    }

    async fn open(&mut self) -> Result<Stream, StreamError> {
        let hello = self.session.opened(self.now());
        let first: Vec<FromNode> = hello.into_iter().filter_map(message).collect();
        let identity = self.identity.as_deref();
        let stream = Stream::open(&self.config.control_plane, identity, self.terms, first).await?;
        tracing::info!(control_plane = %self.config.control_plane, "control plane connected");
        Ok(stream)
    }

    /// Serves one stream to its end; `Ok` is a shutdown.
    async fn serve(
        &mut self,
        stream: &mut Stream,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), End> {
        let mut ticks = tokio::time::interval(TICK.min(self.terms.ping_every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.reports.mark_changed();
        let mut next_report = Instant::now();
        let renewed = renewed(self.identity.clone());
        tokio::pin!(renewed);
        loop {
            let event = tokio::select! {
                biased;
                () = &mut shutdown => Event::Shutdown,
                refused = applied(&mut self.applying) => Event::Applied(refused),
                message = stream.receive() => Event::Message(message),
                _ = ticks.tick() => Event::Tick,
                () = &mut renewed => Event::Renewed,
                () = due_report(&mut self.reports, next_report) => Event::Report,
            };
            let now = self.now();
            let effects = match event {
                Event::Shutdown => return Ok(()),
                // the next stream opens with it at once, and takes no step that this one has taken
                Event::Renewed => return Err(End::Renewed),
                Event::Applied(refused) => {
                    self.applying = None;
                    self.session.applied(refused)
                }
                Event::Message(message) => self.session.message(message?, now),
                Event::Tick => self.session.tick(now),
                Event::Report => {
                    next_report = Instant::now() + REPORT_EVERY;
                    self.report(stream)
                }
            };
            for effect in effects {
                self.carry_out(effect, Some(stream)).await?;
            }
        }
    }

    fn report(&mut self, stream: &Stream) -> Vec<Effect> {
        if !stream.takes_reports() {
            self.reports.mark_changed();
            return Vec::new();
        }
        let state = self.reports.borrow_and_update().clone();
        self.session.report(&state)
    }

    /// The stream is gone: lets a step that is being taken come to its end, on disk too.
    async fn settle(&mut self) {
        let mut effects = self.session.closed();
        if self.applying.is_some() {
            let refused = applied(&mut self.applying).await;
            self.applying = None;
            effects.extend(self.session.applied(refused));
        }
        for effect in effects {
            // without a stream there is nothing that can end it
            let _ = self.carry_out(effect, None).await;
        }
    }

    async fn carry_out(&mut self, effect: Effect, stream: Option<&Stream>) -> Result<(), End> {
        match effect {
            Effect::Send(message) => stream.map_or(Ok(()), |s| s.send(message))?,
            Effect::Apply(step) => self.applying = Some(apply(self.applier.clone(), step)),
            Effect::Persist { table, epoch, keys } => self.persist(table, epoch, keys).await,
            Effect::Synced(synced) => self.applier.synced(synced),
            Effect::Close(reason) => return Err(End::Closed(reason)),
        }
        Ok(())
    }

    /// What cannot be written is served all the same: only the next boot would miss it.
    async fn persist(&self, table: Option<Arc<Table>>, epoch: u64, keys: Option<KeyRing>) {
        let dir = self.config.state_dir.clone();
        let write = move || {
            keys.map_or(Ok(()), |k| state::save_keys(&dir, &k))?;
            table.map_or(Ok(()), |t| state::save_table(&dir, &t, epoch))
        };
        let error = match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => return self.sync_soon(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let dir = self.config.state_dir.display();
        tracing::error!(%dir, error, "last-known-good not written");
    }

    /// Brings the table to the disk in a while, once for all that is written until then.
    fn sync_soon(&self) {
        if self.unsynced.swap(true, Relaxed) {
            return;
        }
        let (dir, unsynced) = (self.config.state_dir.clone(), self.unsynced.clone());
        tokio::spawn(async move {
            tokio::time::sleep(SYNC_AFTER).await;
            unsynced.store(false, Relaxed);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || state::sync_table(&dir)).await {
                tracing::warn!(%error, "last-known-good not synced to the disk");
            }
        });
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn random(&self) -> u32 {
        let mut bytes = [0; 4];
        // without randomness the wait is the shortest, which is no harm
        let _ = self.random.fill(&mut bytes);
        u32::from_ne_bytes(bytes)
    }
}

/// Hands the step to the gateway on a thread that may block. A panic there refuses the whole step.
fn apply(applier: Arc<dyn Applier>, step: node::Step) -> JoinHandle<Refused> {
    tokio::task::spawn_blocking(move || {
        let call = || {
            let (table, delta, version) = (&*step.table, &step.delta, step.version);
            applier.apply(Step { table, delta, keys: step.keys.as_ref(), version })
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|_| {
            tracing::error!(version = %step.version.short(), "the gateway panicked while it took a step");
            let keys = step.delta.upserts.keys().chain(&step.delta.removals);
            keys.map(|key| (key.clone(), "the gateway failed while it took the step".to_owned())).collect()
        })
    })
}

/// Waits for the step; for ever when none is being taken. Cancel-safe.
async fn applied(applying: &mut Option<JoinHandle<Refused>>) -> Refused {
    match applying {
        Some(task) => task.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// Waits for the time of a report, and then for news. Cancel-safe: news stay news until they are read.
async fn due_report(reports: &mut watch::Receiver<Arc<wire::Report>>, at: Instant) {
    tokio::time::sleep_until(at).await;
    if reports.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn message(effect: Effect) -> Option<FromNode> {
    match effect {
        Effect::Send(message) => Some(message),
        _ => None,
    }
}

/// Waits until the node has another certificate; for ever where it has none. The control plane ends a stream whose
/// certificate has expired.
async fn renewed(identity: Option<Arc<NodeIdentity>>) {
    match identity {
        Some(identity) => identity.renewed().await,
        None => std::future::pending().await,
    }
}

/// A control plane that stays away is told once, and again when it refuses this node for another reason.
fn log_end(config: &PushConfig, end: &End, wait: Duration, said: &mut String) {
    let (control_plane, error, retry_ms) = (&config.control_plane, chain(end), wait.as_millis());
    if matches!(end, End::Renewed) {
        tracing::info!(%control_plane, reason = error, "control plane connected anew");
    } else if said.is_empty() || (end.is_refusal() && *said != error) {
        tracing::warn!(%control_plane, error, retry_ms, "control plane lost");
        *said = error;
    } else {
        tracing::debug!(%control_plane, error, retry_ms, "control plane not reached");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_replaced_or_is_not_known_does_not_come_back_at_once() {
        let refused = IdentityError::Refused { token: "t".into(), reason: "r".into() };
        let (short, long) = (Duration::from_millis(100), Duration::from_secs(20));
        let ended = |status| End::Stream(StreamError::Status(Box::new(status)));
        for (end, wait, expected) in [
            (ended(tonic::Status::aborted("replaced")), short, REPLACED),
            (ended(tonic::Status::aborted("replaced")), long, long),
            (ended(tonic::Status::unavailable("stopping")), short, short),
            (End::Stream(StreamError::Ended), short, short),
            (End::Stream(refused.into()), short, short + UNKNOWN),
            (End::Renewed, long, Duration::ZERO),
        ] {
            assert_eq!(end.patience(wait), expected, "{end}");
        }
    }
}

//! One stream of one node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::digest::TableDigest;
use tidegate_proto::keys::KeyRing;
use tidegate_proto::push::control::{CloseReason, Effect, Stream};
use tidegate_proto::table::EntryKey;
use tidegate_proto::wire::{FromNode, ToNode};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tonic::{Status, Streaming};

use super::registry::Ticket;
use super::{Published, Shared, TlsPeer};
use crate::identity::now;

/// How often the stream is told the time.
const TICK: Duration = Duration::from_secs(1);

/// A stream and the node at its other end, once it has said its name.
pub(super) struct Link {
    shared: Arc<Shared>,
    /// None: not over TLS, where nobody has to show anything.
    peer: Option<TlsPeer>,
    out: mpsc::Sender<Result<ToNode, Status>>,
    stream: Stream,
    node: Option<(Ticket, oneshot::Receiver<()>)>,
}

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("closed by the node")]
    Left,
    #[error("lost: {}", .0.message())]
    Lost(Status),
    #[error("{0}")]
    Closed(CloseReason),
    #[error("the node takes no messages")]
    Stalled,
    #[error("the certificate names {certificate}, the hello node {hello}")]
    Foreign { certificate: String, hello: String },
    #[error("the certificate has expired")]
    Expired,
    #[error("another stream has taken the name of this node")]
    Replaced,
    #[error("the control plane stops")]
    Stopping,
    #[error("another replica leads: connect again")]
    Deferred,
}

/// What happens next.
enum Event {
    Message(Result<Option<FromNode>, Status>),
    Published,
    Keys,
    Tick,
}

impl Link {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: Option<TlsPeer>,
        out: mpsc::Sender<Result<ToNode, Status>>,
    ) -> Self {
        let newest = shared.newest.borrow().clone();
        let ring = shared.ring.borrow().clone();
        let (version, epoch) = newest.map(|newest| (newest.version, newest.epoch)).unzip();
        let mut stream = Stream::new(shared.options.terms, version, ring, shared.now());
        stream.at(epoch.unwrap_or(0));
        Self { shared, peer, out, stream, node: None }
    }

    /// Serves the stream to its end.
    pub(super) async fn run(mut self, inbound: Streaming<FromNode>) {
        let end = self.serve(inbound).await;
        if let Some(status) = end.status() {
            // the receiver may be gone, and then nobody needs to know
            let _ = self.out.try_send(Err(status));
        }
        let Some((ticket, _)) = &self.node else {
            match end {
                End::Foreign { .. } => tracing::warn!(reason = %end, "node turned away"),
                _ => tracing::debug!(reason = %end, "stream ended before its hello"),
            }
            return;
        };
        self.shared.registry().leave(ticket, self.shared.now());
        self.shared.bump();
        match end {
            End::Left | End::Stopping | End::Deferred | End::Replaced | End::Expired | End::Lost(_) => {
                tracing::info!(node = ticket.node, reason = %end, "node disconnected");
            }
            End::Closed(_) | End::Stalled | End::Foreign { .. } => {
                tracing::warn!(node = ticket.node, reason = %end, "node turned away");
            }
        }
    }

    async fn serve(&mut self, mut inbound: Streaming<FromNode>) -> End {
        let mut newest = self.shared.newest.subscribe();
        let mut ring = self.shared.ring.subscribe();
        let mut stop = self.shared.stop.subscribe();
        let mut defers = self.shared.defers.subscribe();
        // what was published between `new` and here must not be missed
        newest.mark_changed();
        ring.mark_changed();
        let mut ticks = tokio::time::interval(TICK.min(self.shared.options.terms.ping_every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let expired = expired(self.peer.clone());
        tokio::pin!(expired);
        loop {
            let event = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return End::Stopping,
                _ = defers.wait_for(|defers| *defers) => return End::Deferred,
                () = replaced(&mut self.node) => return End::Replaced,
                () = &mut expired => return End::Expired,
                _ = ticks.tick() => Event::Tick,
                Ok(()) = newest.changed() => Event::Published,
                Ok(()) = ring.changed() => Event::Keys,
                message = inbound.message() => Event::Message(message),
            };
            if let Err(end) = self.take(event, &mut newest, &mut ring) {
                return end;
            }
        }
    }

    fn take(
        &mut self,
        event: Event,
        newest: &mut watch::Receiver<Option<Published>>,
        ring: &mut watch::Receiver<Option<Arc<KeyRing>>>,
    ) -> Result<(), End> {
        let now = self.shared.now();
        let effects = match event {
            Event::Message(Ok(Some(message))) => self.stream.message(message, now),
            Event::Message(Ok(None)) => return Err(End::Left),
            Event::Message(Err(status)) => return Err(End::Lost(status)),
            Event::Published => match newest.borrow_and_update().clone() {
                Some(Published { version, epoch }) => {
                    self.stream.at(epoch);
                    self.stream.published(version, now)
                }
                None => Vec::new(),
            },
            Event::Keys => match ring.borrow_and_update().clone() {
                Some(ring) => self.stream.key_ring(ring, now),
                None => Vec::new(),
            },
            Event::Tick => {
                // The view may have become newer without any effect on the table, which the stream has then.
                if let (Ok(false), Some(newest)) = (newest.has_changed(), &*newest.borrow()) {
                    self.stream.at(newest.epoch);
                }
                self.stream.tick(now)
            }
        };
        effects.into_iter().try_for_each(|effect| self.carry_out(effect))
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), End> {
        match effect {
            Effect::Send(message) => self.out.try_send(Ok(message)).map_err(|_| End::Stalled)?,
            Effect::Introduced(introduction) => {
                self.check(&introduction.node)?;
                let software = introduction.software_version.clone();
                let (ticket, ended, has_replaced) = self.shared.registry().enter(introduction);
                tracing::info!(node = ticket.node, software, has_replaced, "node connected");
                self.node = Some((ticket, ended));
                self.shared.bump();
            }
            Effect::Settled { version, rejections } => self.settled(version, rejections),
            Effect::Report(report) => {
                if let Some((ticket, _)) = &self.node {
                    let heard = self.shared.registry().report(ticket, report);
                    if heard.times {
                        self.shared.bump_details();
                    }
                    if heard.news {
                        self.shared.bump();
                    }
                }
            }
            Effect::Fenced { epoch, own } => {
                let node = self.node.as_ref().map(|(t, _)| t.node.as_str()).unwrap_or_default();
                tracing::warn!(
                    node,
                    epoch,
                    own,
                    "the node has seen a newer view: nothing is pushed until this one has caught up"
                );
            }
            Effect::Slow(waited) => {
                let node = self.node.as_ref().map(|(t, _)| t.node.as_str()).unwrap_or_default();
                tracing::warn!(node, waited_ms = waited.as_millis(), "node slow");
            }
            Effect::Close(reason) => return Err(End::Closed(reason)),
        }
        Ok(())
    }

    /// Over TLS a node is who its certificate says, and the gate lets nobody in without one.
    fn check(&self, hello: &str) -> Result<(), End> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let node = peer.certificate.as_ref().and_then(|certificate| certificate.node.as_ref());
        match node {
            Some(node) if node.as_str() == hello => Ok(()),
            node => {
                let certificate = node.map_or_else(|| "no node".to_owned(), |node| format!("node {node}"));
                Err(End::Foreign { certificate, hello: hello.to_owned() })
            }
        }
    }

    fn settled(&mut self, version: TableDigest, rejections: BTreeMap<EntryKey, String>) {
        let Some((ticket, _)) = &self.node else { return };
        tracing::debug!(node = ticket.node, version = %version.short(), "node settled");
        for (key, reason) in self.shared.registry().settle(ticket, version, rejections) {
            tracing::warn!(node = ticket.node, entry = %key, reason, "entry rejected");
        }
        self.shared.bump();
    }
}

impl End {
    /// What the node is told.
    fn status(&self) -> Option<Status> {
        match self {
            End::Left | End::Lost(_) => None,
            End::Closed(CloseReason::TooLarge { .. }) => Some(Status::resource_exhausted(self.to_string())),
            End::Foreign { .. } => Some(Status::permission_denied(self.to_string())),
            End::Expired => Some(Status::unauthenticated(self.to_string())),
            End::Closed(_) => Some(Status::failed_precondition(self.to_string())),
            End::Stalled => Some(Status::resource_exhausted(self.to_string())),
            End::Replaced => Some(Status::aborted(self.to_string())),
            End::Stopping | End::Deferred => Some(Status::unavailable(self.to_string())),
        }
    }
}

/// Waits until a later stream takes the name; for ever before the hello. Cancel-safe.
async fn replaced(node: &mut Option<(Ticket, oneshot::Receiver<()>)>) {
    match node {
        Some((_, ended)) => {
            // nothing is ever sent: the end is the sender's drop
            let _ = ended.await;
        }
        None => std::future::pending().await,
    }
}

/// Waits until the peer's certificate expires; for ever without one. A stream ends then: a node that has lost its
/// identity must not go on for as long as a connection lasts.
async fn expired(peer: Option<TlsPeer>) {
    let Some(until) = peer.and_then(|peer| Some(peer.certificate?.until)) else {
        return std::future::pending().await;
    };
    loop {
        let left = until.saturating_sub(now());
        if left == 0 {
            return;
        }
        // in pieces: the clock of the machine may be set meanwhile
        tokio::time::sleep(Duration::from_secs(left.min(60))).await;
    }
}

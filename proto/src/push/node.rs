//! The node's end: one session over all streams that it opens, one after the other.

mod update;

use std::sync::Arc;
use std::time::Duration;

use super::liveness::{Due, Liveness};
use super::report::Folded;
use super::{PROTOCOL, Terms, Version};
use crate::convert::ConvertError;
use crate::delta::Delta;
use crate::digest::TableDigest;
use crate::keys::KeyRing;
use crate::table::{EntryKey, Table};
use crate::wire::{self, from_node, to_node};
use update::Reading;

/// What the node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Stable name.
    pub node: String,
    /// Version of the binary.
    pub software_version: String,
    /// Where clients reach it.
    pub listen: String,
}

/// A node: what it holds and the stream it has open, if any.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    terms: Terms,
    held: Version,
    /// Of the update that brought it; 0: not known.
    epoch: u64,
    session_keys: Vec<String>,
    open: Option<Open>,
    /// A step that the gateway is taking.
    applying: Option<Reading>,
}

#[derive(Debug)]
struct Open {
    liveness: Liveness,
    nonce: u64,
    is_synced: bool,
    reported: Folded,
}

/// A step for the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The whole next table.
    pub table: Arc<Table>,
    /// What changes.
    pub delta: Delta,
    /// The key ring, when it changes.
    pub keys: Option<KeyRing>,
    /// The version as published.
    pub version: TableDigest,
}

/// What the shell has to do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this message.
    Send(wire::FromNode),
    /// Take this step, then call [`Session::applied`]. Messages and time may go on meanwhile.
    Apply(Step),
    /// Write what is served to disk, before any effect after this one.
    Persist {
        /// The table, when it has changed.
        table: Option<Arc<Table>>,
        /// How new the view is that the table was compiled from.
        epoch: u64,
        /// The key ring, when it has changed.
        keys: Option<KeyRing>,
    },
    /// Whether what is served is known to be the newest.
    Synced(bool),
    /// Close the stream for this reason and call [`Session::closed`].
    Close(CloseReason),
}

/// Why a node closes a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// A message without a body that this version knows.
    #[error("a message of an unknown kind")]
    UnknownMessage,
    /// An update before the verdicts on the one before.
    #[error("update {0} while another one is in flight")]
    SecondUpdate(u64),
    /// A nonce that does not grow.
    #[error("update {got} after update {last}")]
    Nonce {
        /// The last one on this stream.
        last: u64,
        /// The new one.
        got: u64,
    },
    /// A field of the update that belongs to no entry.
    #[error("update.{0}")]
    Update(ConvertError),
    /// Silence.
    #[error("nothing heard from the control plane in time")]
    Silent,
}

impl Session {
    /// A node that serves `held` (last-known-good, or nothing) and has the session keys of `keys`.
    pub fn new(identity: Identity, terms: Terms, held: Arc<Table>, keys: Option<&KeyRing>) -> Self {
        let (held, session_keys) = (Version::new(held), keys.map(KeyRing::ids).unwrap_or_default());
        Self { identity, terms, held, epoch: 0, session_keys, open: None, applying: None }
    }

    /// What it holds was compiled from so new a view: it takes nothing older from another control plane.
    pub fn at(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// What the node holds.
    pub fn held(&self) -> &Version {
        &self.held
    }

    /// Whether a step is being taken; a new stream must wait for its end.
    pub fn is_applying(&self) -> bool {
        self.applying.is_some()
    }

    /// Whether the control plane has said on the open stream that this node is current.
    pub fn is_synced(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.is_synced)
    }

    /// A stream is open: introduces the node. Not to be called while [`Session::is_applying`].
    pub fn opened(&mut self, now: Duration) -> Vec<Effect> {
        let liveness = Liveness::new(self.terms, now);
        let reported = Folded::default();
        self.open = Some(Open { liveness, nonce: 0, is_synced: false, reported });
        vec![send(from_node::Body::Hello(self.hello()))]
    }

    /// A message has come.
    pub fn message(&mut self, message: wire::ToNode, now: Duration) -> Vec<Effect> {
        let Some(open) = &mut self.open else { return Vec::new() };
        open.liveness.heard(now);
        match message.body {
            None => vec![Effect::Close(CloseReason::UnknownMessage)],
            Some(to_node::Body::Update(update)) => {
                self.update(update).unwrap_or_else(|reason| vec![Effect::Close(reason)])
            }
            Some(to_node::Body::Ping(p)) => vec![send(from_node::Body::Pong(wire::Pong { id: p.id }))],
            Some(to_node::Body::Pong(_)) => Vec::new(),
        }
    }

    /// The gateway has taken the step but for the entries in `refused`.
    pub fn applied(&mut self, refused: Vec<(EntryKey, String)>) -> Vec<Effect> {
        let Some(mut reading) = self.applying.take() else {
            return Vec::new();
        };
        for (key, reason) in refused {
            if reading.delta.contains(&key) {
                reading.refuse(&key, reason);
            }
        }
        self.epoch = reading.epoch;
        let is_changed = !reading.delta.is_empty();
        if is_changed {
            self.held = self.held.after(&reading.delta);
        }
        if let Some(ring) = &reading.keys {
            self.session_keys = ring.ids();
        }
        let mut effects = Vec::new();
        let keys = reading.keys.take();
        if is_changed || keys.is_some() {
            let table = is_changed.then(|| Arc::clone(self.held.table()));
            effects.push(Effect::Persist { table, epoch: self.epoch, keys });
        }
        effects.extend(self.conclude(reading));
        effects
    }

    /// The complete state to report; what changed since the last call goes out.
    pub fn report(&mut self, state: &wire::Report) -> Vec<Effect> {
        let Some(open) = &mut self.open else { return Vec::new() };
        let Some(step) = open.reported.step(state) else { return Vec::new() };
        open.reported.fold(step.clone());
        vec![send(from_node::Body::Report(step))]
    }

    /// Time has passed; to be called at least every second.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        match self.open.as_mut().map(|o| o.liveness.tick(now)) {
            None | Some(Due::Nothing) => Vec::new(),
            Some(Due::Ping(id)) => vec![send(from_node::Body::Ping(wire::Ping { id }))],
            Some(Due::Dead) => vec![Effect::Close(CloseReason::Silent)],
        }
    }

    /// The stream is gone. A step that is being taken goes on; its verdicts are not sent.
    pub fn closed(&mut self) -> Vec<Effect> {
        let was_synced = self.open.take().is_some_and(|o| o.is_synced);
        if was_synced { vec![Effect::Synced(false)] } else { Vec::new() }
    }

    fn hello(&self) -> wire::Hello {
        let held = self.held.digests().iter();
        wire::Hello {
            protocol: PROTOCOL,
            node: self.identity.node.clone(),
            software_version: self.identity.software_version.clone(),
            held: held
                .map(|(key, d)| wire::Held { key: Some(key.into()), digest: d.as_bytes().to_vec() })
                .collect(),
            session_keys: self.session_keys.clone(),
            listen: self.identity.listen.clone(),
            epoch: self.epoch,
        }
    }

    fn update(&mut self, update: wire::Update) -> Result<Vec<Effect>, CloseReason> {
        let Some(open) = &mut self.open else { return Ok(Vec::new()) };
        if self.applying.is_some() {
            return Err(CloseReason::SecondUpdate(update.nonce));
        }
        if update.nonce <= open.nonce {
            return Err(CloseReason::Nonce { last: open.nonce, got: update.nonce });
        }
        open.nonce = update.nonce;
        let reading = Reading::new(update, &self.held).map_err(CloseReason::Update)?;
        if reading.delta.is_empty() && reading.keys.is_none() {
            self.epoch = reading.epoch;
            return Ok(self.conclude(reading));
        }
        let table = Arc::new(self.held.table().with(&reading.delta));
        let step = Step {
            table,
            delta: reading.delta.clone(),
            keys: reading.keys.clone(),
            version: reading.version,
        };
        self.applying = Some(reading);
        Ok(vec![Effect::Apply(step)])
    }

    /// The verdicts, unless the stream that waits for them is gone: the next one opens after the step only.
    fn conclude(&mut self, reading: Reading) -> Vec<Effect> {
        let Some(open) = &mut self.open else { return Vec::new() };
        let mut effects = vec![send(from_node::Body::Verdicts(reading.into_verdicts()))];
        if !open.is_synced {
            open.is_synced = true;
            effects.push(Effect::Synced(true));
        }
        effects
    }
}

fn send(body: from_node::Body) -> Effect {
    Effect::Send(wire::FromNode { body: Some(body) })
}

//! The control plane's end of one stream.

mod flight;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;

use super::liveness::{Due, Liveness};
use super::{MAX_NODE_NAME, PROTOCOL, Terms, Version};
use crate::convert::{At, ConvertError, Problem, checks};
use crate::digest::{Digests, EntryDigest, TableDigest};
use crate::keys::KeyRing;
use crate::table::EntryKey;
use crate::wire::{self, from_node, to_node};
use flight::Flight;
use plan::Plan;

/// One connected node, from the stream's first message on.
#[derive(Debug)]
pub struct Stream {
    terms: Terms,
    liveness: Liveness,
    newest: Option<Arc<Version>>,
    /// How new the view is that `newest` was compiled from; 0: not known.
    epoch: u64,
    ring: Option<Arc<KeyRing>>,
    node: Option<Node>,
    closed: bool,
}

/// What the control plane knows of the node at the other end.
#[derive(Debug, Default)]
struct Node {
    holds: Digests,
    refused: BTreeMap<EntryKey, Refusal>,
    session_keys: Vec<String>,
    version: Option<TableDigest>,
    nonce: u64,
    flight: Option<Flight>,
    fence: Option<Fence>,
}

/// A node that has seen a newer view than this control plane has: it must not go back.
#[derive(Debug)]
struct Fence {
    /// What it has seen.
    epoch: u64,
    /// When it said so.
    since: Duration,
}

/// An entry that the node refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it refused: an entry of this digest, or (none) the removal.
    pub target: Option<EntryDigest>,
    /// Its words.
    pub reason: String,
}

/// What a node says of itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Stable name.
    pub node: String,
    /// Version of its binary.
    pub software_version: String,
    /// Where clients reach it.
    pub listen: String,
}

/// What the shell has to do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this message.
    Send(wire::ToNode),
    /// The node has introduced itself: take its older stream, if there is one, out of service.
    Introduced(Introduction),
    /// The node has given its verdicts.
    Settled {
        /// The version that it now serves.
        version: TableDigest,
        /// But for these entries, which it refused now or before, and why.
        rejections: BTreeMap<EntryKey, String>,
    },
    /// The node reports.
    Report(wire::Report),
    /// The node has seen a newer view than this control plane, and gets nothing until that has caught up. Told once.
    Fenced {
        /// What the node has seen.
        epoch: u64,
        /// What is known here.
        own: u64,
    },
    /// The node has had an update for so long without a verdict. Told once for each update.
    Slow(Duration),
    /// Close the stream with this reason; it is dead from now on.
    Close(CloseReason),
}

/// Why the control plane closes a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// Another protocol.
    #[error("the node speaks push protocol {0}, this control plane {PROTOCOL}")]
    Protocol(u32),
    /// The first message is no Hello.
    #[error("the first message must be a hello")]
    NoHello,
    /// A Hello later on.
    #[error("a second hello on one stream")]
    SecondHello,
    /// A message without a body that this version knows.
    #[error("a message of an unknown kind")]
    UnknownMessage,
    /// A field of the Hello.
    #[error("hello.{0}")]
    Hello(ConvertError),
    /// Verdicts for an update that is not in flight.
    #[error("verdicts for nonce {got}; {}", expected(.awaited))]
    Nonce {
        /// The nonce in flight.
        awaited: Option<u64>,
        /// The nonce of the verdicts.
        got: u64,
    },
    /// A field of the verdicts.
    #[error("verdicts.{0}")]
    Verdicts(ConvertError),
    /// The verdicts name another version than the update.
    #[error("verdicts for version {got}, the update was to {awaited}")]
    Version {
        /// Version of the update.
        awaited: TableDigest,
        /// Version of the verdicts.
        got: TableDigest,
    },
    /// A verdict on what was not sent, or a second one.
    #[error("a verdict on {0}, which awaits none")]
    StrayVerdict(EntryKey),
    /// No verdict on what was sent.
    #[error("no verdict on {0}")]
    NoVerdict(EntryKey),
    /// The update is larger than a message may be.
    #[error("the update has {bytes} bytes, more than the {limit} of a message: split the configuration")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Silence.
    #[error("nothing heard from the node in time")]
    Silent,
    /// An update stayed without verdicts.
    #[error("no verdicts on update {0} in time")]
    Late(u64),
}

fn expected(awaited: &Option<u64>) -> String {
    awaited.map_or_else(|| "no update is in flight".to_owned(), |n| format!("{n} is in flight"))
}

impl Stream {
    /// A stream that has just been opened. `newest`: what is published; none: nothing yet.
    pub fn new(
        terms: Terms,
        newest: Option<Arc<Version>>,
        ring: Option<Arc<KeyRing>>,
        now: Duration,
    ) -> Self {
        let liveness = Liveness::new(terms, now);
        Self { terms, liveness, newest, epoch: 0, ring, node: None, closed: false }
    }

    /// The view that is compiled here is so new. To be told before anything else is.
    pub fn at(&mut self, epoch: u64) {
        self.epoch = self.epoch.max(epoch);
    }

    /// A message has come.
    pub fn message(&mut self, message: wire::FromNode, now: Duration) -> Vec<Effect> {
        if self.closed {
            return Vec::new();
        }
        self.liveness.heard(now);
        let result = match (message.body, self.node.is_some()) {
            (None, _) => Err(CloseReason::UnknownMessage),
            (Some(from_node::Body::Hello(hello)), false) => self.hello(hello, now),
            (Some(from_node::Body::Hello(_)), true) => Err(CloseReason::SecondHello),
            (Some(_), false) => Err(CloseReason::NoHello),
            (Some(from_node::Body::Verdicts(verdicts)), true) => self.verdicts(verdicts, now),
            (Some(from_node::Body::Report(report)), true) => Ok(vec![Effect::Report(report)]),
            (Some(from_node::Body::Ping(p)), true) => {
                Ok(vec![send(to_node::Body::Pong(wire::Pong { id: p.id }))])
            }
            (Some(from_node::Body::Pong(_)), true) => Ok(Vec::new()),
        };
        self.or_close(result)
    }

    /// A table has been published.
    pub fn published(&mut self, newest: Arc<Version>, now: Duration) -> Vec<Effect> {
        self.newest = Some(newest);
        let result = self.update(now);
        self.or_close(result)
    }

    /// The session key ring has changed.
    pub fn key_ring(&mut self, ring: Arc<KeyRing>, now: Duration) -> Vec<Effect> {
        self.ring = Some(ring);
        let result = self.update(now);
        self.or_close(result)
    }

    /// Time has passed; to be called at least every second.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        if self.closed {
            return Vec::new();
        }
        let mut effects = Vec::new();
        match self.liveness.tick(now) {
            Due::Nothing => {}
            Due::Ping(id) => effects.push(send(to_node::Body::Ping(wire::Ping { id }))),
            Due::Dead => return self.or_close(Err(CloseReason::Silent)),
        }
        if let Some(flight) = self.node.as_mut().and_then(|n| n.flight.as_mut()) {
            if flight.age(now) >= self.terms.verdict_within {
                let nonce = flight.nonce;
                return self.or_close(Err(CloseReason::Late(nonce)));
            }
            effects.extend(flight.slow(self.terms.slow_after, now).map(Effect::Slow));
        }
        let update = self.update(now);
        effects.extend(self.or_close(update));
        effects
    }

    /// The version that the node serves, as it last said.
    pub fn version(&self) -> Option<TableDigest> {
        self.node.as_ref()?.version
    }

    /// What the node holds, verdicts included.
    pub fn holds(&self) -> Option<&Digests> {
        self.node.as_ref().map(|n| &n.holds)
    }

    /// What the node has refused and not got otherwise since.
    pub fn refusals(&self) -> impl Iterator<Item = (&EntryKey, &Refusal)> {
        self.node.iter().flat_map(|n| &n.refused)
    }

    /// The nonce of the update that awaits its verdicts.
    pub fn in_flight(&self) -> Option<u64> {
        self.node.as_ref()?.flight.as_ref().map(|f| f.nonce)
    }

    fn or_close(&mut self, result: Result<Vec<Effect>, CloseReason>) -> Vec<Effect> {
        result.unwrap_or_else(|reason| {
            self.closed = true;
            vec![Effect::Close(reason)]
        })
    }

    fn hello(&mut self, hello: wire::Hello, now: Duration) -> Result<Vec<Effect>, CloseReason> {
        if hello.protocol != PROTOCOL {
            return Err(CloseReason::Protocol(hello.protocol));
        }
        let epoch = hello.epoch;
        let (introduction, mut node) = read_hello(hello).map_err(CloseReason::Hello)?;
        let mut effects = vec![Effect::Introduced(introduction)];
        if epoch > self.epoch {
            node.fence = Some(Fence { epoch, since: now });
            if self.epoch > 0 {
                effects.push(Effect::Fenced { epoch, own: self.epoch });
            }
        }
        self.node = Some(node);
        effects.extend(self.update(now)?);
        Ok(effects)
    }

    fn verdicts(&mut self, verdicts: wire::Verdicts, now: Duration) -> Result<Vec<Effect>, CloseReason> {
        let node = self.node.as_mut().expect("verdicts are read after the hello only");
        let got = verdicts.nonce;
        let flight = match node.flight.take() {
            Some(flight) if flight.nonce == got => flight,
            other => return Err(CloseReason::Nonce { awaited: other.map(|f| f.nonce), got }),
        };
        let version = flight.land(verdicts, &mut node.holds, &mut node.refused)?;
        // Kept once for all nodes that hold it.
        if let Some(newest) = self.newest.as_ref().filter(|newest| newest.id() == node.holds.version()) {
            node.holds = newest.digests().clone();
        }
        if let Some(ids) = flight.session_keys {
            node.session_keys = ids;
        }
        node.version = Some(version);
        let rejections = node.refused.iter().map(|(key, r)| (key.clone(), r.reason.clone())).collect();
        let mut effects = vec![Effect::Settled { version, rejections }];
        effects.extend(self.update(now)?);
        Ok(effects)
    }

    /// Sends the newest version, unless one is in flight or the node has it. The first update goes out
    /// even when it changes nothing: it tells the node that what it serves is current.
    fn update(&mut self, now: Duration) -> Result<Vec<Effect>, CloseReason> {
        let (Some(node), Some(newest), false) = (&mut self.node, &self.newest, self.closed) else {
            return Ok(Vec::new());
        };
        let ring = self.ring.as_ref().filter(|r| r.ids() != node.session_keys);
        let is_current = node.version == Some(newest.id()) && ring.is_none();
        if node.flight.is_some() || is_current {
            return Ok(Vec::new());
        }
        if let Some(fence) = &node.fence {
            let lost = now.saturating_sub(fence.since) >= self.terms.catch_up_within;
            // Without an epoch of its own (a directory) the control plane has nothing to compare.
            if self.epoch > 0 && fence.epoch > self.epoch && !lost {
                return Ok(Vec::new());
            }
            node.fence = None;
        }
        let plan = Plan::new(&node.holds, &mut node.refused, newest);
        node.nonce += 1;
        let update = plan.message(node.nonce, newest, self.epoch, ring.map(|r| &**r));
        let message = wire::ToNode { body: Some(to_node::Body::Update(update)) };
        let bytes = message.encoded_len();
        if bytes > self.terms.max_message {
            return Err(CloseReason::TooLarge { bytes, limit: self.terms.max_message });
        }
        let awaited = plan.awaited(newest);
        let session_keys = ring.map(|r| r.ids());
        node.flight = Some(Flight::new(node.nonce, newest.id(), awaited, session_keys, now));
        Ok(vec![Effect::Send(message)])
    }
}

fn send(body: to_node::Body) -> Effect {
    Effect::Send(wire::ToNode { body: Some(body) })
}

fn read_hello(hello: wire::Hello) -> Result<(Introduction, Node), ConvertError> {
    let node = checks::name(hello.node).at("node")?;
    if node.len() > MAX_NODE_NAME {
        return Err(Problem::TooLarge(MAX_NODE_NAME)).at("node");
    }
    let introduction = Introduction {
        node,
        software_version: checks::free_text(hello.software_version).at("software_version")?,
        listen: checks::free_text(hello.listen).at("listen")?,
    };
    let mut holds = BTreeMap::new();
    for (i, held) in hello.held.into_iter().enumerate() {
        let (key, digest) = read_held(held).at_item("held", i)?;
        if holds.insert(key, digest).is_some() {
            return Err(Problem::Duplicate).at("key").at_item("held", i);
        }
    }
    Ok((
        introduction,
        Node { holds: holds.into_iter().collect(), session_keys: hello.session_keys, ..Node::default() },
    ))
}

fn read_held(held: wire::Held) -> Result<(EntryKey, EntryDigest), ConvertError> {
    let key = EntryKey::try_from(held.key.unwrap_or_default()).at("key")?;
    Ok((key, EntryDigest::try_from(&held.digest[..])?))
}

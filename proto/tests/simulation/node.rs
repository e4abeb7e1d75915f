//! A node of the simulation: what its shell and its gateway do, without I/O.

use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::persist;
use tidegate_proto::push::Terms;
use tidegate_proto::push::backoff::Backoff;
use tidegate_proto::push::node::{CloseReason, Effect, Identity, Session, Step};
use tidegate_proto::table::{EntryKey, Table};
use tidegate_proto::wire::{self, ToNode, to_node};

use crate::link::Item;
use crate::world::World;

pub(crate) struct Node {
    pub(crate) session: Session,
    pub(crate) link: Option<u64>,
    pub(crate) applying: Option<Step>,
    /// What the gateway serves.
    pub(crate) served: Arc<Table>,
    pub(crate) report: wire::Report,
    pub(crate) is_synced: bool,
    pub(crate) key_ids: Vec<String>,
    pub(crate) disk: Disk,
    backoff: Backoff,
    connect_at: Duration,
}

/// Last-known-good, as bytes.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    /// What the bytes mean.
    pub(crate) saved: Arc<Table>,
    table: Option<Vec<u8>>,
    keys: Option<Vec<u8>>,
}

impl Node {
    pub(crate) fn new(number: usize) -> Self {
        Self::boot(number, Disk::default(), Duration::ZERO)
    }

    /// The process begins: with what is on disk, not connected.
    fn boot(number: usize, disk: Disk, now: Duration) -> Self {
        let saved = disk.table.as_ref().map(|b| persist::decode(b).expect("what was written can be read"));
        let saved = saved.unwrap_or_default();
        let keys = disk.keys.as_ref().map(|b| persist::decode_keys(b).expect("what was written can be read"));
        let identity =
            Identity { node: format!("n{number}"), software_version: String::new(), listen: String::new() };
        let served = Arc::new(saved.table);
        assert_eq!(served, disk.saved, "the disk gives back what was saved");
        Self {
            session: Session::new(identity, Terms::default(), served.clone(), keys.as_ref()).at(saved.epoch),
            link: None,
            applying: None,
            served,
            report: wire::Report::default(),
            is_synced: false,
            key_ids: keys.map(|k| k.ids()).unwrap_or_default(),
            disk,
            backoff: Backoff::default(),
            connect_at: now,
        }
    }
}

impl World {
    /// Connects when it is time and somebody listens.
    pub(crate) fn node_connects(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if node.link.is_some() || node.session.is_applying() || self.now < node.connect_at {
            return;
        }
        if !self.control.is_up {
            node.connect_at = self.now + node.backoff.next(self.random.next() as u32);
            return;
        }
        let link = self.open_link(number);
        self.nodes[number].link = Some(link);
        self.control_accepts(link);
        let mut effects = self.nodes[number].session.opened(self.now);
        let report = self.nodes[number].report.clone();
        effects.extend(self.nodes[number].session.report(&report));
        self.node_acts(number, effects);
    }

    /// The next item from the control plane has come.
    pub(crate) fn node_receives(&mut self, number: usize, item: Item<ToNode>) {
        let Item::Message(mut message) = item else { return self.node_closes(number) };
        if let (Some(to_node::Body::Update(update)), true) = (&mut message.body, self.is_wild) {
            self.damage(update);
        }
        let effects = self.nodes[number].session.message(message, self.now);
        self.node_acts(number, effects);
    }

    /// The gateway has taken its step; in wild times it refuses some entries.
    pub(crate) fn node_applied(&mut self, number: usize) {
        let Some(step) = self.nodes[number].applying.take() else { return };
        let mut refused = Vec::new();
        for key in step.delta.upserts.keys().chain(&step.delta.removals) {
            if self.is_wild && self.random.one_in(8) {
                refused.push((key.clone(), "not today".to_owned()));
            }
        }
        let node = &mut self.nodes[number];
        node.served = Arc::new(serve(&node.served, &step, &refused));
        if let Some(ring) = &step.keys {
            node.key_ids = ring.ids();
        }
        let effects = node.session.applied(refused);
        self.node_acts(number, effects);
    }

    /// The process ends and begins again; the disk may be lost.
    pub(crate) fn node_restarts(&mut self, number: usize, keeps_disk: bool) {
        if let Some(link) = self.nodes[number].link {
            self.send_up(link, Item::Closed);
        }
        let disk = if keeps_disk { self.nodes[number].disk.clone() } else { Disk::default() };
        self.nodes[number] = Node::boot(number, disk, self.now);
    }

    /// The gateway's state has changed.
    pub(crate) fn node_reports(&mut self, number: usize) {
        let id = format!("b{}", self.random.below(4));
        let tools = self.random.below(9) as u32;
        let node = &mut self.nodes[number];
        node.report.backends.retain(|b| b.id != id);
        if tools > 2 {
            node.report.backends.push(wire::BackendState { id, tools, ..Default::default() });
        }
        let report = node.report.clone();
        let effects = node.session.report(&report);
        self.node_acts(number, effects);
    }

    pub(crate) fn node_ticks(&mut self, number: usize) {
        let effects = self.nodes[number].session.tick(self.now);
        self.node_acts(number, effects);
        self.node_connects(number);
    }

    fn node_acts(&mut self, number: usize, effects: Vec<Effect>) {
        for effect in effects {
            let node = &mut self.nodes[number];
            match effect {
                Effect::Send(message) => {
                    if let Some(link) = node.link {
                        self.send_up(link, Item::Message(message));
                    }
                }
                Effect::Apply(step) => {
                    check_step(node, &step);
                    assert!(node.applying.replace(step).is_none(), "a second step at once");
                }
                Effect::Persist { table, epoch, keys } => {
                    if let Some(table) = table {
                        node.disk.table = Some(persist::encode(&table, epoch));
                        node.disk.saved = table;
                    }
                    if let Some(keys) = keys {
                        node.disk.keys = Some(persist::encode_keys(&keys));
                    }
                }
                Effect::Synced(is_synced) => node.is_synced = is_synced,
                Effect::Close(reason) => {
                    assert_eq!(reason, CloseReason::Silent, "the node closed the stream");
                    self.seen.silent += 1;
                    return self.node_closes(number);
                }
            }
        }
    }

    fn node_closes(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if node.session.is_synced() {
            node.backoff.reset();
        }
        node.connect_at = self.now + node.backoff.next(self.random.next() as u32);
        if let Some(link) = node.link.take() {
            self.send_up(link, Item::Closed);
        }
        let effects = self.nodes[number].session.closed();
        self.node_acts(number, effects);
        assert!(!self.nodes[number].is_synced, "a node without a stream is stale");
    }

    /// Makes one entry of an update unreadable: the conversion refuses it.
    fn damage(&mut self, update: &mut wire::Update) {
        if update.upserts.is_empty() || !self.random.one_in(6) {
            return;
        }
        let at = self.random.below(update.upserts.len());
        match update.upserts[at].entry.as_mut().and_then(|e| e.body.as_mut()) {
            Some(wire::entry::Body::Backend(b)) => b.path = "no slash".into(),
            Some(wire::entry::Body::VirtualServer(v)) => v.group.clear(),
            None => {}
        }
        self.seen.damaged += 1;
    }

    fn send_up(&mut self, link: u64, item: Item<wire::FromNode>) {
        self.links.get_mut(&link).expect("links are kept").up.push_back(item);
    }
}

/// What is served after a step: refused entries keep their previous value.
fn serve(served: &Table, step: &Step, refused: &[(EntryKey, String)]) -> Table {
    let mut next = (*step.table).clone();
    for (key, _) in refused {
        match served.entries.get(key) {
            Some(previous) => next.entries.insert(key.clone(), previous.clone()),
            None => next.entries.remove(key),
        };
    }
    next
}

/// A step really changes what it names: the same table, pushed again after a restart, makes no step.
fn check_step(node: &Node, step: &Step) {
    assert!(!step.delta.is_empty() || step.keys.is_some(), "a step without changes");
    for (key, entry) in &step.delta.upserts {
        assert_ne!(node.served.entries.get(key), Some(entry), "{key} does not change");
    }
    for key in &step.delta.removals {
        assert!(node.served.entries.contains_key(key), "{key} is not there to be removed");
    }
    assert_eq!(*step.table, node.served.with(&step.delta), "the step leads from what is served");
    assert!(step.keys.as_ref().is_none_or(|k| k.ids() != node.key_ids), "the keys do not change");
}

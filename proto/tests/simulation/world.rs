//! Everything at once: what may happen, and what must hold whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::digest::{Digests, EntryDigest};
use tidegate_proto::push::Version;
use tidegate_proto::table::{EntryKey, Table};

use crate::control::Control;
use crate::link::Link;
use crate::node::Node;
use crate::random::Random;
use crate::tables;

const NODES: usize = 3;

/// Longest virtual time to become calm: two silences and a backoff, with room.
const CALM_WITHIN: u64 = 300;

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) now: Duration,
    /// Faults and refusals happen.
    pub(crate) is_wild: bool,
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) control: Control,
    pub(crate) nodes: Vec<Node>,
    /// Everything that was ever published.
    pub(crate) versions: Vec<Arc<Version>>,
    pub(crate) seen: Seen,
    published: BTreeMap<EntryKey, BTreeSet<EntryDigest>>,
    ring: u64,
}

/// How often the rarer things happened: a simulation that never meets them proves nothing.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) refused: usize,
    pub(crate) damaged: usize,
    pub(crate) slow: usize,
    pub(crate) late: usize,
    pub(crate) silent: usize,
    pub(crate) replaced: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Seen) {
        self.refused += other.refused;
        self.damaged += other.damaged;
        self.slow += other.slow;
        self.late += other.late;
        self.silent += other.silent;
        self.replaced += other.replaced;
    }

    pub(crate) fn assert_everything_happened(&self) {
        let Seen { refused, damaged, slow, late, silent, replaced } = *self;
        let counts = [refused, damaged, slow, late, silent, replaced];
        assert!(counts.iter().all(|n| *n > 0), "the simulation met too little: {self:?}");
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            now: Duration::ZERO,
            is_wild: true,
            links: BTreeMap::new(),
            control: Control::default(),
            nodes: (0..NODES).map(Node::new).collect(),
            versions: Vec::new(),
            seen: Seen::default(),
            published: BTreeMap::new(),
            ring: 0,
        }
    }

    /// Something happens.
    pub(crate) fn step(&mut self) {
        let number = self.random.below(NODES);
        match self.random.below(100) {
            0..50 => self.deliver_one(),
            50..65 => {
                let ms = self.random.below(1000) as u64;
                self.pass(Duration::from_millis(ms));
            }
            65..78 => self.node_applied(number),
            78..84 => self.publish_change(),
            84..86 => self.publish_earlier(),
            86..88 => self.change_keys(),
            88..91 => self.node_reports(number),
            91..93 => self.reset_a_link(),
            93 => self.silence_a_link(),
            94..96 => {
                let keeps_disk = !self.random.one_in(4);
                self.node_restarts(number, keeps_disk);
            }
            96..98 => self.restart_control(),
            98 => self.control_stops(),
            _ if self.random.one_in(2) => (0..60).for_each(|_| self.pass(Duration::from_secs(1))),
            _ => self.dawdle(),
        }
    }

    /// What holds at every moment.
    pub(crate) fn check(&self) {
        for node in &self.nodes {
            if node.applying.is_some() {
                continue;
            }
            let held = node.session.held();
            assert_eq!(held.table(), &node.served, "what the session holds is what is served");
            assert_eq!(node.disk.saved, node.served, "what is served is on disk");
            for (key, digest) in held.digests().iter() {
                let was_published = self.published.get(key).is_some_and(|d| d.contains(digest));
                assert!(was_published, "{key} was never published like this");
            }
        }
    }

    /// No more faults: every node comes to the newest version but for what it has refused; after a
    /// reconnect, to all of it.
    pub(crate) fn calm(&mut self) {
        self.is_wild = false;
        self.come_to_rest();
        self.links.values_mut().for_each(Link::reset);
        self.come_to_rest();
        let newest = self.control.newest.clone().expect("at rest something is published");
        for node in &self.nodes {
            assert_eq!(node.served, *newest.table(), "a node did not come to the newest table");
            assert_eq!(*node.session.held().digests(), Digests::of(&node.served));
            assert_eq!(Some(&node.key_ids), self.control.ring.as_ref().map(|r| r.ids()).as_ref());
            let peer = &self.control.peers[&node.link.expect("at rest every node is connected")];
            assert_eq!(peer.reported.step(&node.report), None, "the report is folded");
            assert_eq!(peer.stream.refusals().count(), 0);
        }
        self.restart_control_with_the_same();
    }

    /// The control plane starts again with the same table and keys: nothing is applied anywhere.
    fn restart_control_with_the_same(&mut self) {
        let (newest, ring) = (self.control.newest.clone(), self.control.ring.clone());
        self.control_stops();
        (0..5).for_each(|_| self.pass(Duration::from_secs(1)));
        self.deliver_all();
        assert!(self.nodes.iter().all(|n| !n.is_synced), "without a control plane nodes are stale");
        self.control = Control { is_up: true, newest, ring, ..Control::default() };
        for _ in 0..CALM_WITHIN {
            self.pass(Duration::from_secs(1));
            self.deliver_all();
            assert!(self.nodes.iter().all(|n| n.applying.is_none()), "a restart made a step");
            if self.nodes.iter().all(|n| n.is_synced) {
                return;
            }
        }
        panic!("nodes stay stale");
    }

    fn come_to_rest(&mut self) {
        if !self.control.is_up || self.control.newest.is_none() {
            self.restart_control();
            self.publish_change();
        }
        for _ in 0..CALM_WITHIN {
            self.pass(Duration::from_secs(1));
            for _ in 0..4 {
                self.deliver_all();
                (0..NODES).for_each(|n| self.node_applied(n));
                self.check();
            }
            if self.is_at_rest() {
                return;
            }
        }
        panic!("no rest after {CALM_WITHIN} s");
    }

    fn is_at_rest(&self) -> bool {
        let newest = self.control.newest.as_ref().map(|v| v.id());
        self.nodes.iter().all(|node| {
            let peer = node.link.and_then(|link| self.control.peers.get(&link));
            let is_current =
                peer.is_some_and(|p| p.stream.version() == newest && p.stream.in_flight().is_none());
            is_current && node.is_synced && node.applying.is_none()
        })
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        self.control_tells(|stream| stream.tick(now));
        (0..NODES).for_each(|n| self.node_ticks(n));
    }

    /// The network works, and no gateway comes to the end of its step.
    fn dawdle(&mut self) {
        for _ in 0..self.random.below(200) {
            self.pass(Duration::from_secs(1));
            self.deliver_all();
        }
    }

    fn deliver_one(&mut self) {
        let is_empty = |link: &Link| link.up.is_empty() && link.down.is_empty();
        let waiting = |link: &Link| !link.is_silent && !is_empty(link);
        let links: Vec<u64> = self.links.iter().filter(|(_, l)| waiting(l)).map(|(id, _)| *id).collect();
        let Some(&id) = self.random.pick(&links) else { return };
        if self.random.one_in(2) && self.deliver_up(id) {
            return;
        }
        if !self.deliver_down(id) {
            self.deliver_up(id);
        }
    }

    fn deliver_all(&mut self) {
        let links: Vec<u64> = self.links.iter().filter(|(_, l)| !l.is_silent).map(|(id, _)| *id).collect();
        for id in links {
            while self.deliver_up(id) || self.deliver_down(id) {}
        }
    }

    fn deliver_up(&mut self, id: u64) -> bool {
        let item = self.links.get_mut(&id).and_then(|l| l.up.pop_front());
        item.map(|item| self.control_receives(id, item)).is_some()
    }

    fn deliver_down(&mut self, id: u64) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let Some(item) = link.down.pop_front() else { return false };
        let node = link.node;
        if self.nodes[node].link == Some(id) {
            self.node_receives(node, item);
        }
        true
    }

    fn publish_change(&mut self) {
        let table = match self.versions.last() {
            Some(version) => tables::change(version.table(), &mut self.random),
            None => tables::change(&Table::default(), &mut self.random),
        };
        let version = match &self.control.newest {
            Some(newest) => newest.next(table).0,
            None => Version::new(Arc::new(table)),
        };
        self.publish(Arc::new(version));
    }

    fn publish_earlier(&mut self) {
        if let Some(version) = self.random.pick(&self.versions).cloned() {
            self.publish(version);
        }
    }

    fn publish(&mut self, version: Arc<Version>) {
        if !self.control.is_up {
            return;
        }
        for (key, digest) in version.digests().iter() {
            self.published.entry(key.clone()).or_default().insert(*digest);
        }
        self.versions.push(version.clone());
        self.control.newest = Some(version.clone());
        let now = self.now;
        self.control_tells(|stream| stream.published(version.clone(), now));
    }

    fn change_keys(&mut self) {
        if !self.control.is_up {
            return;
        }
        self.ring += 1;
        let ring = Arc::new(tables::ring(self.ring));
        self.control.ring = Some(ring.clone());
        let now = self.now;
        self.control_tells(|stream| stream.key_ring(ring.clone(), now));
    }

    /// With what it last published, with an earlier version, or with nothing published yet.
    fn restart_control(&mut self) {
        self.control_stops();
        self.ring += u64::from(self.random.one_in(3));
        let newest = match self.random.below(3) {
            0 => None,
            1 => self.versions.last().cloned(),
            _ => self.random.pick(&self.versions).cloned(),
        };
        let ring = Some(Arc::new(tables::ring(self.ring)));
        self.control = Control { is_up: true, newest, ring, ..Control::default() };
    }

    fn reset_a_link(&mut self) {
        if let Some(link) = self.a_link() {
            link.reset();
        }
    }

    fn silence_a_link(&mut self) {
        if let Some(link) = self.a_link() {
            link.is_silent = true;
        }
    }

    fn a_link(&mut self) -> Option<&mut Link> {
        let used: Vec<u64> = self.nodes.iter().filter_map(|n| n.link).collect();
        let id = *self.random.pick(&used)?;
        self.links.get_mut(&id)
    }

    pub(crate) fn open_link(&mut self, node: usize) -> u64 {
        let id = self.links.len() as u64;
        self.links.insert(id, Link::new(node));
        id
    }
}

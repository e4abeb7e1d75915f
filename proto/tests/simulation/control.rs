//! The control plane of the simulation: what its shell does, without I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_proto::keys::KeyRing;
use tidegate_proto::push::control::{CloseReason, Effect, Stream};
use tidegate_proto::push::report::Folded;
use tidegate_proto::push::{Terms, Version};
use tidegate_proto::table::EntryKey;
use tidegate_proto::wire::{FromNode, from_node, to_node};

use crate::link::{Item, Link};
use crate::world::{Seen, World};

type Rejections = BTreeMap<EntryKey, String>;

#[derive(Default)]
pub(crate) struct Control {
    pub(crate) is_up: bool,
    /// Nothing is pushed before the first publish.
    pub(crate) newest: Option<Arc<Version>>,
    pub(crate) ring: Option<Arc<KeyRing>>,
    pub(crate) peers: BTreeMap<u64, Peer>,
}

/// One stream as the control plane sees it.
pub(crate) struct Peer {
    pub(crate) stream: Stream,
    pub(crate) reported: Folded,
    name: Option<String>,
    updates: usize,
    verdicts: usize,
}

impl World {
    /// A stream has been opened.
    pub(crate) fn control_accepts(&mut self, link: u64) {
        let (newest, ring) = (self.control.newest.clone(), self.control.ring.clone());
        let stream = Stream::new(Terms::default(), newest, ring, self.now);
        let reported = Folded::default();
        self.control.peers.insert(link, Peer { stream, reported, name: None, updates: 0, verdicts: 0 });
    }

    /// The next item from a node has come.
    pub(crate) fn control_receives(&mut self, link: u64, item: Item<FromNode>) {
        let Some(peer) = self.control.peers.get_mut(&link) else { return };
        let Item::Message(message) = item else {
            self.control.peers.remove(&link);
            return;
        };
        if matches!(message.body, Some(from_node::Body::Verdicts(_))) {
            peer.verdicts += 1;
        }
        let effects = peer.stream.message(message, self.now);
        self.control_acts(link, effects);
    }

    /// Tells every stream something.
    pub(crate) fn control_tells(&mut self, mut tell: impl FnMut(&mut Stream) -> Vec<Effect>) {
        let links: Vec<u64> = self.control.peers.keys().copied().collect();
        for link in links {
            if let Some(peer) = self.control.peers.get_mut(&link) {
                let effects = tell(&mut peer.stream);
                self.control_acts(link, effects);
            }
        }
    }

    /// Ends the process: every stream closes.
    pub(crate) fn control_stops(&mut self) {
        for link in std::mem::take(&mut self.control).peers.into_keys() {
            self.send_down(link, Item::Closed);
        }
    }

    fn control_acts(&mut self, link: u64, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(message) => {
                    let peer = self.control.peers.get_mut(&link).expect("only open streams send");
                    if matches!(message.body, Some(to_node::Body::Update(_))) {
                        assert_eq!(peer.updates, peer.verdicts, "a second update is in flight");
                        peer.updates += 1;
                    }
                    self.send_down(link, Item::Message(message));
                }
                Effect::Introduced(introduction) => self.introduced(link, introduction.node),
                Effect::Settled { version, rejections } => {
                    let peer = &self.control.peers[&link];
                    let known = self.versions.iter().find(|v| v.id() == version).expect("a published one");
                    self.check_settled(link, peer, known, &rejections);
                    self.seen.refused += rejections.len();
                }
                Effect::Report(report) => {
                    let peer = self.control.peers.get_mut(&link).expect("only open streams report");
                    peer.reported.fold(report);
                }
                Effect::Slow(_) => self.seen.slow += 1,
                Effect::Fenced { .. } => panic!("one control plane never falls behind itself"),
                Effect::Close(reason) => {
                    note(&reason, &mut self.seen);
                    self.control.peers.remove(&link);
                    self.send_down(link, Item::Closed);
                }
            }
        }
    }

    /// A later stream of a name replaces the earlier one, and so do hellos that come out of order: the
    /// last hello wins.
    fn introduced(&mut self, link: u64, name: String) {
        let earlier = self.control.peers.iter().find(|(l, p)| **l != link && p.name.as_ref() == Some(&name));
        if let Some(earlier) = earlier.map(|(l, _)| *l) {
            self.seen.replaced += 1;
            self.control.peers.remove(&earlier);
            self.send_down(earlier, Item::Closed);
        }
        self.control.peers.get_mut(&link).expect("only open streams introduce").name = Some(name);
    }

    /// What the control plane thinks is what the node holds, and differs from the published version only
    /// in what the node has refused.
    fn check_settled(&self, link: u64, peer: &Peer, version: &Version, rejections: &Rejections) {
        let holds = peer.stream.holds().expect("settled streams have a node");
        let wanted = version.digests();
        for (key, _) in holds.iter().chain(wanted.iter()) {
            assert!(
                rejections.contains_key(key) || holds.get(key) == wanted.get(key),
                "{key} differs and was not refused"
            );
        }
        let node = &self.nodes[self.links[&link].node];
        if node.link == Some(link) && !node.session.is_applying() {
            assert_eq!(holds, node.session.held().digests(), "the ends disagree");
        }
    }

    fn send_down(&mut self, link: u64, item: Item<tidegate_proto::wire::ToNode>) {
        let link: &mut Link = self.links.get_mut(&link).expect("links are kept");
        link.down.push_back(item);
    }
}

/// Silence and lateness are the network's and the node's doing; everything else would be a bug.
fn note(reason: &CloseReason, seen: &mut Seen) {
    match reason {
        CloseReason::Silent => seen.silent += 1,
        CloseReason::Late(_) => seen.late += 1,
        other => panic!("the control plane closed a stream: {other}"),
    }
}

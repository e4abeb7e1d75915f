//! What is known of every node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegate_proto::digest::TableDigest;
use tidegate_proto::push::control::Introduction;
use tidegate_proto::push::report::{Folded, is_news};
use tidegate_proto::table::EntryKey;
use tidegate_proto::wire::{ExposedTool, Report, VirtualServerState};
use tokio::sync::oneshot;

use super::{News, PushOptions};

/// One node, connected or gone lately.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeState {
    /// Its stable name.
    pub name: String,
    /// Whether it has a stream.
    pub connected: bool,
    /// When its last stream began.
    pub connected_since: SystemTime,
    /// Where clients reach it.
    pub listen: String,
    /// Version of its binary.
    pub software_version: String,
    /// The version that it serves, as it last said; none before its first verdicts.
    pub version: Option<TableDigest>,
    /// Whether it is connected and this is the newest version.
    pub current: bool,
    /// Entries that it refused, and why; it keeps their previous values.
    pub rejections: BTreeMap<EntryKey, String>,
    /// Its backends and virtual servers, as it last said; without their tools.
    pub reported: Arc<Folded>,
    /// The tools of its virtual servers.
    pub tools: Arc<Tools>,
}

/// Tools by virtual server. Nodes serve the same, so that equal ones are kept once for all of them.
pub type Tools = BTreeMap<String, Arc<[ExposedTool]>>;

/// Names one stream of one node; a later stream of the same name makes it void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) node: String,
    stream: u64,
}

#[derive(Debug)]
pub(super) struct Registry {
    options: PushOptions,
    nodes: BTreeMap<String, Node>,
    streams: u64,
    news: News,
}

/// What a report was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// More than times.
    pub(super) news: bool,
    /// Backends were probed again and are as they were.
    pub(super) times: bool,
}

#[derive(Debug)]
struct Node {
    introduction: Introduction,
    stream: u64,
    connected_since: SystemTime,
    /// Ends the stream when dropped; none: the stream has ended, at this time.
    end: Result<oneshot::Sender<()>, Duration>,
    version: Option<TableDigest>,
    rejections: BTreeMap<EntryKey, String>,
    reported: Arc<Folded>,
    tools: Arc<Tools>,
}

impl Registry {
    pub(super) fn new(options: PushOptions) -> Self {
        Self { options, nodes: BTreeMap::new(), streams: 0, news: News::default() }
    }

    /// A node has introduced itself. The receiver ends when a later stream takes its name; the flag says
    /// whether this one took it from an open stream.
    pub(super) fn enter(&mut self, introduction: Introduction) -> (Ticket, oneshot::Receiver<()>, bool) {
        self.streams += 1;
        let (end, ended) = oneshot::channel();
        let ticket = Ticket { node: introduction.node.clone(), stream: self.streams };
        let node = Node {
            introduction,
            stream: self.streams,
            connected_since: SystemTime::now(),
            end: Ok(end),
            version: None,
            rejections: BTreeMap::new(),
            reported: Arc::default(),
            tools: Arc::default(),
        };
        self.news = News::default();
        let previous = self.nodes.insert(ticket.node.clone(), node);
        (ticket, ended, previous.is_some_and(|n| n.end.is_ok()))
    }

    /// The node serves this version but for these entries. Returns those that are news.
    pub(super) fn settle(
        &mut self,
        ticket: &Ticket,
        version: TableDigest,
        rejections: BTreeMap<EntryKey, String>,
    ) -> Vec<(EntryKey, String)> {
        let Some(node) = self.of(ticket) else { return Vec::new() };
        node.version = Some(version);
        let known = std::mem::replace(&mut node.rejections, rejections);
        let news = node.rejections.iter().filter(|(key, reason)| known.get(key) != Some(reason));
        news.map(|(key, reason)| (key.clone(), reason.clone())).collect()
    }

    /// The node has reported.
    pub(super) fn report(&mut self, ticket: &Ticket, mut report: Report) -> Heard {
        let tools = self.take_tools(&mut report);
        let Some(node) = self.of(ticket) else { return Heard::default() };
        if !(tools.is_empty() && report.removed_virtual_servers.is_empty()) {
            let known = Arc::make_mut(&mut node.tools);
            known.retain(|id, _| !report.removed_virtual_servers.contains(id));
            known.extend(tools);
        }
        let times = !(report.probed_backends.is_empty() && report.probed_virtual_servers.is_empty());
        let heard = Heard { news: is_news(&report), times };
        self.news.take_in(&report);
        // Copied only while somebody looks at it.
        if let Some(node) = self.of(ticket) {
            Arc::make_mut(&mut node.reported).fold(report);
        }
        heard
    }

    /// What has been said since this was asked last.
    pub(super) fn news(&mut self) -> News {
        std::mem::replace(&mut self.news, News::none())
    }

    /// The tools of a report, shared with whichever node has the same.
    fn take_tools(&self, report: &mut Report) -> Tools {
        let take = |state: &mut VirtualServerState| {
            let tools = std::mem::take(&mut state.tools);
            let mut known = self.nodes.values().filter_map(|node| node.tools.get(&state.id));
            let same = known.find(|known| ***known == *tools).map(Arc::clone);
            (state.id.clone(), same.unwrap_or_else(|| tools.into()))
        };
        report.virtual_servers.iter_mut().map(take).collect()
    }

    /// The stream has ended.
    pub(super) fn leave(&mut self, ticket: &Ticket, now: Duration) {
        if let Some(node) = self.of(ticket) {
            node.end = Err(now);
            self.news = News::default();
        }
        self.forget(now);
    }

    /// The state of each node by name.
    pub(super) fn states(&mut self, newest: Option<TableDigest>, now: Duration) -> Vec<NodeState> {
        self.forget(now);
        self.nodes.values().map(|node| node.state(newest)).collect()
    }

    fn of(&mut self, ticket: &Ticket) -> Option<&mut Node> {
        self.nodes.get_mut(&ticket.node).filter(|node| node.stream == ticket.stream)
    }

    fn forget(&mut self, now: Duration) {
        let patience = self.options.forget_after;
        self.nodes
            .retain(|_, node| node.end.as_ref().err().is_none_or(|at| now.saturating_sub(*at) < patience));
        let gone = self.nodes.iter().filter_map(|(name, n)| Some((*n.end.as_ref().err()?, name.clone())));
        let mut gone: Vec<(Duration, String)> = gone.collect();
        gone.sort();
        let excess = gone.len().saturating_sub(self.options.max_remembered);
        for (_, name) in gone.drain(..excess) {
            self.nodes.remove(&name);
        }
    }
}

impl Node {
    fn state(&self, newest: Option<TableDigest>) -> NodeState {
        let connected = self.end.is_ok();
        NodeState {
            name: self.introduction.node.clone(),
            connected,
            connected_since: self.connected_since,
            listen: self.introduction.listen.clone(),
            software_version: self.introduction.software_version.clone(),
            version: self.version,
            current: connected && newest.is_some() && self.version == newest,
            rejections: self.rejections.clone(),
            reported: Arc::clone(&self.reported),
            tools: Arc::clone(&self.tools),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(registry: &mut Registry, node: &str) -> (Ticket, oneshot::Receiver<()>, bool) {
        registry.enter(Introduction {
            node: node.into(),
            software_version: String::new(),
            listen: String::new(),
        })
    }

    fn names(registry: &mut Registry, now: u64) -> Vec<(String, bool)> {
        let states = registry.states(None, Duration::from_secs(now));
        states.into_iter().map(|s| (s.name, s.connected)).collect()
    }

    #[test]
    fn a_later_stream_of_a_node_makes_the_earlier_one_void() {
        let mut registry = Registry::new(PushOptions::default());
        let (first, mut first_ended, replaced) = enter(&mut registry, "a");
        assert!(!replaced);
        let (second, mut second_ended, replaced) = enter(&mut registry, "a");
        assert!(replaced);
        assert!(first_ended.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed));
        assert!(second_ended.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
        registry.settle(&first, TableDigest::from([1; 32]), BTreeMap::new());
        registry.leave(&first, Duration::ZERO);
        assert_eq!(registry.states(None, Duration::ZERO)[0].version, None);
        assert_eq!(names(&mut registry, 0), [("a".to_owned(), true)]);
        registry.leave(&second, Duration::ZERO);
        assert_eq!(names(&mut registry, 0), [("a".to_owned(), false)]);
    }

    #[test]
    fn tools_that_nodes_have_in_common_are_kept_once() {
        let mut registry = Registry::new(PushOptions::default());
        let report = |tool: &str| Report {
            virtual_servers: vec![VirtualServerState {
                id: "default/demo".into(),
                tools: vec![ExposedTool { name: tool.into(), ..ExposedTool::default() }],
                ..VirtualServerState::default()
            }],
            ..Report::default()
        };
        let (a, ..) = enter(&mut registry, "a");
        let (b, ..) = enter(&mut registry, "b");
        registry.report(&a, report("x"));
        registry.report(&b, report("x"));
        let tools = |registry: &mut Registry| -> Vec<Arc<[ExposedTool]>> {
            let states = registry.states(None, Duration::ZERO);
            states.iter().filter_map(|state| state.tools.get("default/demo").cloned()).collect()
        };
        let common = tools(&mut registry);
        assert!(Arc::ptr_eq(&common[0], &common[1]));
        registry.report(&b, report("y"));
        let apart = tools(&mut registry);
        assert_eq!([&*apart[0][0].name, &*apart[1][0].name], ["x", "y"]);
        let gone = Report { removed_virtual_servers: vec!["default/demo".into()], ..Report::default() };
        registry.report(&a, gone);
        assert_eq!(tools(&mut registry).len(), 1);
    }

    #[test]
    fn nodes_that_left_are_remembered_for_a_while_and_in_bounded_number() {
        let options = PushOptions { max_remembered: 2, ..PushOptions::default() };
        let mut registry = Registry::new(options);
        for (i, name) in ["c", "b", "a"].into_iter().enumerate() {
            let (ticket, ..) = enter(&mut registry, name);
            registry.leave(&ticket, Duration::from_secs(i as u64));
        }
        let gone = |name: &str| (name.to_owned(), false);
        assert_eq!(names(&mut registry, 3), [gone("a"), gone("b")], "the longest gone is forgotten first");
        assert_eq!(names(&mut registry, 601), [gone("a")]);
        assert_eq!(names(&mut registry, 602), []);
    }
}

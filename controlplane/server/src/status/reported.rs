//! What the nodes say, folded: one answer per backend and per virtual server.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_proto::wire::{BackendHealth, BackendState, ExposedTool, MemberState};

use crate::push::NodeState;

/// The reports of all connected nodes as one, folded where they are asked for.
#[derive(Debug)]
pub(crate) struct Reported<'a> {
    nodes: Vec<&'a NodeState>,
}

/// One virtual server as the nodes serve it.
#[derive(Debug, Default)]
pub(crate) struct Served<'a> {
    pub(crate) urls: BTreeSet<&'a str>,
    /// Of each node that serves others than those before it.
    tools: Vec<&'a [ExposedTool]>,
    pub(crate) conflicts: BTreeSet<&'a str>,
    /// By workload, once for each node that has it.
    members: BTreeMap<&'a str, Vec<&'a MemberState>>,
}

impl<'a> Reported<'a> {
    /// Nodes that have left have no say.
    pub(crate) fn by(nodes: &'a [NodeState]) -> Self {
        Self { nodes: nodes.iter().filter(|node| node.connected).collect() }
    }

    /// The worst wins; of equals the one checked last.
    pub(crate) fn of_backend(&self, id: &str) -> Option<&'a BackendState> {
        let states = self.nodes.iter().filter_map(|node| node.reported.backends.get(id));
        let weight = |s: &BackendState| (badness(s.health()), s.checked_unix_ms);
        states.reduce(|worst, state| if weight(state) > weight(worst) { state } else { worst })
    }

    /// Whether a node has said anything of it.
    pub(crate) fn knows_virtual_server(&self, id: &str) -> bool {
        self.nodes.iter().any(|node| node.reported.virtual_servers.contains_key(id))
    }

    pub(crate) fn of_virtual_server(&self, id: &str) -> Option<Served<'a>> {
        let mut served = None;
        for node in &self.nodes {
            let Some(state) = node.reported.virtual_servers.get(id) else { continue };
            let served: &mut Served<'a> = served.get_or_insert_default();
            served.urls.extend(state.urls.iter().map(String::as_str));
            served.conflicts.extend(state.conflicts.iter().map(String::as_str));
            for member in &state.members {
                served.members.entry(&member.workload).or_default().push(member);
            }
            if let Some(tools) = node.tools.get(id)
                && !served.tools.iter().any(|known| std::ptr::eq(*known, &**tools))
            {
                served.tools.push(tools);
            }
        }
        served
    }
}

impl<'a> Served<'a> {
    /// By name; of two nodes that differ, one speaks.
    pub(crate) fn tools(&self) -> impl Iterator<Item = &'a ExposedTool> {
        let all = self.tools.iter().flat_map(|tools| tools.iter());
        all.map(|tool| (tool.name.as_str(), tool)).collect::<BTreeMap<_, _>>().into_values()
    }

    /// One of its backends, as each node sees it.
    pub(crate) fn member(&self, workload: &str) -> &[&'a MemberState] {
        self.members.get(workload).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Not knowing is no judgement: a node that has just come must not outvote one that knows.
fn badness(health: BackendHealth) -> u8 {
    match health {
        BackendHealth::Unspecified => 0,
        BackendHealth::Unknown => 1,
        BackendHealth::Healthy => 2,
        BackendHealth::Degraded => 3,
        BackendHealth::Unauthenticated => 4,
        BackendHealth::Unhealthy => 5,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use tidegate_proto::push::report::Folded;
    use tidegate_proto::wire::VirtualServerState;

    use super::*;
    use BackendHealth::{Degraded, Healthy, Unauthenticated, Unhealthy, Unknown};

    fn node() -> NodeState {
        NodeState {
            name: "n".into(),
            connected: true,
            connected_since: UNIX_EPOCH,
            listen: String::new(),
            software_version: String::new(),
            version: None,
            current: true,
            rejections: BTreeMap::new(),
            reported: Arc::default(),
            tools: Arc::default(),
        }
    }

    fn check(nodes: &[BackendHealth], expected: BackendHealth) {
        let report = |health: &BackendHealth| {
            let state = BackendState { id: "b".into(), health: (*health).into(), ..Default::default() };
            let reported = Folded { backends: [("b".to_owned(), state)].into(), ..Folded::default() };
            NodeState { reported: Arc::new(reported), ..node() }
        };
        let reports: Vec<_> = nodes.iter().map(report).collect();
        let reported = Reported::by(&reports);
        assert_eq!(reported.of_backend("b").map(BackendState::health), Some(expected), "{nodes:?}");
    }

    #[test]
    fn the_worst_judgement_counts_and_not_knowing_is_none() {
        check(&[Healthy, Unknown], Healthy);
        check(&[Unknown, Healthy], Healthy);
        check(&[Healthy, Degraded], Degraded);
        check(&[Unhealthy, Unauthenticated, Healthy], Unhealthy);
    }

    #[test]
    fn what_nodes_serve_is_joined() {
        let serving = |url: &str| {
            let state = VirtualServerState {
                id: "default/demo".into(),
                urls: vec![url.into()],
                ..Default::default()
            };
            let virtual_servers = [("default/demo".to_owned(), state)].into();
            NodeState { reported: Arc::new(Folded { virtual_servers, ..Folded::default() }), ..node() }
        };
        let nodes = [serving("http://b"), serving("http://a"), serving("http://b")];
        let reported = Reported::by(&nodes);
        let urls: Vec<_> = reported.of_virtual_server("default/demo").unwrap().urls.into_iter().collect();
        assert_eq!(urls, ["http://a", "http://b"]);
    }
}

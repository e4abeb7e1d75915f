//! From reports of nodes to what is written, over virtual time.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use tidegate_controlplane_api::Store;
use tidegate_controlplane_compile::ClusterView;
use tidegate_proto::push::report::Folded;
use tidegate_proto::table::Table;
use tidegate_proto::wire::{BackendHealth, BreakerState, MemberState, VirtualServerState};

use super::present::Present;
use super::schedule::{Schedule, Step};
use super::*;
use crate::pipeline::{Outcome, Pipeline};
use crate::push::{News, NodeState};
use crate::source::Observation;

const SITE: &str = "\
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {name: a, annotations: {tidegate.dev/endpoint: 127.0.0.1:9001}}
spec: {groupRef: {name: tools}, image: a, transport: streamable-http}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {name: b}
spec: {groupRef: {name: tools}, remoteUrl: https://b.example.com/mcp, transport: streamable-http}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: demo, generation: 7}
spec: {groupRef: {name: tools}, incomingAuth: {type: anonymous}}
";

/// A control plane without sockets, threads and clock.
struct Site {
    outcome: Arc<Outcome>,
    present: Present,
    schedule: Schedule,
    /// Statuses of the virtual server that were written, with their second.
    written: Vec<(u64, Arc<Status>)>,
}

impl Site {
    fn new() -> Self {
        let mut store = Store::new();
        store.update("site.yaml", Some(SITE.as_bytes()));
        let mut pipeline = Pipeline::new(Table::default());
        let view = Some(Arc::new(ClusterView::of(&store)));
        pipeline.step(&Observation { view, diagnostics: Vec::new(), epoch: 0 }).expect("a first version");
        let outcome = Arc::clone(&*pipeline.outcomes().borrow());
        Self { outcome, present: Present::default(), schedule: Schedule::default(), written: Vec::new() }
    }

    /// At a second, nodes say what they say.
    fn at(&mut self, second: u64, nodes: &[NodeState]) {
        let now = 1_780_000_000_000 + second * 1_000;
        let facts = Facts::new(&self.outcome, nodes);
        self.present.update(&self.outcome, &facts, &Arc::default(), &News::default(), &[], now);
        let mut steps = self.schedule.due(Duration::from_secs(second), self.present.statuses());
        steps.extend(self.schedule.detail(Duration::from_secs(second)));
        for step in steps {
            if let Step::Put(object, status) = step
                && object.kind == Kind::VirtualMcpServer
            {
                self.written.push((second, status));
            }
        }
    }

    fn phases(&self) -> Vec<&'static str> {
        let mut phases: Vec<_> = self.written.iter().map(|(_, status)| status.phase).collect();
        phases.dedup();
        phases
    }
}

fn node(name: &str, members: [(&str, MemberState); 2]) -> NodeState {
    let members = members.map(|(workload, state)| MemberState { workload: workload.into(), ..state });
    let id = "default/demo".to_owned();
    let server = VirtualServerState { id: id.clone(), members: members.into(), ..Default::default() };
    NodeState {
        name: name.into(),
        connected: true,
        connected_since: UNIX_EPOCH,
        listen: String::new(),
        software_version: String::new(),
        version: None,
        current: true,
        rejections: BTreeMap::new(),
        reported: Arc::new(Folded { virtual_servers: [(id, server)].into(), ..Folded::default() }),
        tools: Arc::default(),
    }
}

fn probed(health: BackendHealth, second: u64) -> MemberState {
    MemberState { health: health.into(), probed: true, checked_unix_ms: second * 1_000, ..Default::default() }
}

fn unprobed() -> MemberState {
    MemberState { health: BackendHealth::Unknown.into(), ..MemberState::default() }
}

#[test]
fn b12_the_phase_does_not_alternate_while_nothing_changes() {
    let mut site = Site::new();
    for second in 0..=60 {
        // Probed each second, once without success now and then: below the threshold the health stays.
        let failures = u32::from(second % 3 == 0);
        let a = MemberState { consecutive_failures: failures, ..probed(BackendHealth::Healthy, second) };
        let nodes = ["n1", "n2"].map(|name| node(name, [("a", a.clone()), ("b", unprobed())]));
        site.at(second, &nodes);
    }
    assert_eq!(site.phases(), ["Ready"]);
    let seconds: Vec<u64> = site.written.iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds, [0, 30, 60], "at the reporting interval");
    for (_, status) in &site.written {
        assert_eq!(status.condition("Ready").unwrap().since_unix_ms, 1_780_000_000_000);
        assert_eq!(status.observed_generation, Some(7));
        assert_eq!(status.serving.as_ref().unwrap().backend_count, 2);
    }
}

#[test]
fn a_dead_backend_is_not_taken_for_alive_each_time_its_breaker_tries() {
    let mut site = Site::new();
    for second in 0..=600 {
        // Probes are slow to notice: the breaker alone keeps calls away, and tries one each minute.
        let breaker = if second % 60 == 59 { BreakerState::HalfOpen } else { BreakerState::Open };
        let a = MemberState { breaker: breaker.into(), ..probed(BackendHealth::Healthy, 0) };
        site.at(second, &[node("n1", [("a", a), ("b", unprobed())])]);
    }
    assert_eq!(site.phases(), ["Degraded"]);
    let last = &site.written.last().unwrap().1;
    assert_eq!(last.condition("Degraded").unwrap().since_unix_ms, 1_780_000_000_000);
    assert_eq!(last.message, "1/2 backends routable (0 degraded, 1 unhealthy, 0 unknown)");
}

#[test]
fn a_phase_is_written_in_the_second_in_which_it_changes_and_never_twice() {
    let mut site = Site::new();
    for second in 0..=100 {
        let nodes = match second {
            0..10 => Vec::new(),
            10..20 => vec![node("n1", [("a", probed(BackendHealth::Unknown, 0)), ("b", unprobed())])],
            20..50 => vec![node("n1", [("a", probed(BackendHealth::Healthy, 0)), ("b", unprobed())])],
            _ => vec![node("n1", [("a", probed(BackendHealth::Unhealthy, 0)), ("b", unprobed())])],
        };
        site.at(second, &nodes);
    }
    let written: Vec<_> = site.written.iter().map(|(second, status)| (*second, status.phase)).collect();
    assert_eq!(written, [(0, "Pending"), (10, "Pending"), (20, "Ready"), (50, "Degraded")]);
    let reasons: Vec<_> =
        site.written.iter().map(|(_, status)| status.condition("Ready").unwrap().reason).collect();
    assert_eq!(
        reasons,
        ["DeploymentNotReady", "BackendsPending", "AllBackendsRoutable", "SomeBackendsUnhealthy"]
    );
}

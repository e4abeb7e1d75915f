//! Keeping up step by step against making everything anew.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use tidegate_controlplane_api::Store;
use tidegate_controlplane_compile::{ChildKey, ChildKind, ClusterView};
use tidegate_proto::table::Table;
use tidegate_proto::wire::{BackendHealth, BackendState, MemberState, Report, VirtualServerState};

use super::*;
use crate::cluster::refusals::Refusal;
use crate::pipeline::Pipeline;
use crate::push::NodeState;
use crate::source::Observation;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A small generator (SplitMix64): the same walk each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.throw(of.len())]
    }
}

/// A control plane of files, and nodes that say anything.
struct World {
    dice: Dice,
    store: Store,
    pipeline: Pipeline,
    nodes: Vec<NodeState>,
    news: News,
    refused: Arc<Refused>,
    epoch: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            dice: Dice(seed),
            store: Store::new(),
            pipeline: Pipeline::new(Table::default()),
            nodes: ["n1", "n2"].map(node).into(),
            news: News::default(),
            refused: Arc::default(),
            epoch: 0,
        };
        for _ in 0..12 {
            world.edit();
        }
        world
    }

    fn step(&mut self) {
        match self.dice.throw(8) {
            0..=2 => self.edit(),
            3..=5 => self.report(),
            6 => self.come_or_go(),
            _ => self.refuse(),
        }
    }

    /// Some object appears, changes or goes.
    fn edit(&mut self) {
        let name = self.dice.one(&NAMES);
        let group = self.dice.one(&NAMES);
        let file = self.dice.one(&["group", "entry", "server", "virtual"]);
        let text = match file {
            "group" => manifest("MCPGroup", name, ""),
            "entry" => {
                let path = self.dice.throw(2);
                let spec = format!(
                    "spec: {{groupRef: {{name: {group}}}, remoteUrl: 'https://{name}.example.com/{path}', transport: streamable-http}}"
                );
                manifest("MCPServerEntry", &format!("{name}-entry"), &spec)
            }
            "server" => {
                let spec =
                    format!("spec: {{groupRef: {{name: {group}}}, image: a, transport: streamable-http}}");
                let port = 9000 + self.dice.throw(2);
                let annotation = format!("tidegate.dev/endpoint: '127.0.0.1:{port}'");
                manifest("MCPServer", name, &spec)
                    .replace("a: {name", &format!("a: {{annotations: {{{annotation}}}, name"))
            }
            _ => {
                let generation = self.dice.throw(3);
                let spec =
                    format!("spec: {{groupRef: {{name: {group}}}, incomingAuth: {{type: anonymous}}}}");
                manifest("VirtualMCPServer", name, &spec)
                    .replace("a: {name", &format!("a: {{generation: {generation}, name"))
            }
        };
        let text = Some(text).filter(|_| self.dice.throw(4) > 0);
        self.store.update(&format!("{file}-{name}.yaml"), text.as_deref().map(str::as_bytes));
        self.epoch += 1;
        let view = Some(Arc::new(ClusterView::of(&self.store)));
        self.pipeline.step(&Observation { view, diagnostics: Vec::new(), epoch: self.epoch });
        for node in &mut self.nodes {
            node.current = self.dice.throw(3) > 0;
        }
    }

    fn report(&mut self) {
        let name = self.dice.one(&NAMES);
        let health =
            self.dice.one(&[BackendHealth::Healthy, BackendHealth::Unhealthy, BackendHealth::Unknown]);
        let mut report = Report::default();
        if self.dice.throw(2) == 0 {
            let id = format!("default/mcpserver/{name}");
            if self.dice.throw(4) == 0 {
                report.removed_backends.push(id);
            } else {
                let protocol_version = self.dice.one(&["", "2025-06-18"]).to_owned();
                let state =
                    BackendState { id, health: health.into(), protocol_version, ..Default::default() };
                report.backends.push(state);
            }
        } else {
            let id = format!("default/{name}");
            if self.dice.throw(4) == 0 {
                report.removed_virtual_servers.push(id);
            } else {
                let member = |name: &str| MemberState {
                    workload: name.into(),
                    health: health.into(),
                    probed: true,
                    ..MemberState::default()
                };
                let members = NAMES.map(member).into();
                report.virtual_servers.push(VirtualServerState { id, members, ..Default::default() });
            }
        }
        self.news.take_in(&report);
        let at = self.dice.throw(self.nodes.len());
        Arc::make_mut(&mut self.nodes[at].reported).fold(report);
    }

    fn come_or_go(&mut self) {
        let at = self.dice.throw(self.nodes.len());
        self.nodes[at].connected ^= true;
        self.news = News::default();
    }

    fn refuse(&mut self) {
        let name = self.dice.one(&NAMES);
        let key = ChildKey {
            kind: ChildKind::Service,
            namespace: "default".into(),
            name: format!("mcp-{name}").into(),
        };
        let owner = ObjectRef::new(Kind::McpServer, "default", name);
        let refusal = Refusal { owner, reason: "FailedCreate", message: "no".into() };
        let mut refused = (*self.refused).clone();
        if refused.children.remove(&key).is_none() {
            refused.children.insert(key, refusal);
        }
        self.refused = Arc::new(refused);
    }

    /// Keeps up, with what was said since the last time.
    fn update(&mut self, present: &mut Present, news: &News) {
        let outcome = Arc::clone(&*self.pipeline.outcomes().borrow());
        let facts = Facts::new(&outcome, &self.nodes);
        present.update(&outcome, &facts, &self.refused, news, &[], 1);
    }
}

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: toolhive.stacklok.dev/v1beta1\nkind: {kind}\nmetadata: {{name: {name}}}\n{spec}\n")
}

fn node(name: &str) -> NodeState {
    NodeState {
        name: name.into(),
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

#[test]
fn keeping_up_leads_to_what_making_everything_anew_leads_to() {
    let mut seen = BTreeSet::new();
    for seed in 0..40 {
        let mut world = World::new(seed);
        let mut present = Present::default();
        for step in 0..100 {
            world.step();
            if world.dice.throw(3) == 0 {
                // Several changes are one look.
                continue;
            }
            let news = std::mem::replace(&mut world.news, News::none());
            world.update(&mut present, &news);
            let mut anew = Present::default();
            world.update(&mut anew, &News::default());
            assert_eq!(present.statuses(), anew.statuses(), "seed {seed}, step {step}");
            seen.extend(present.statuses().values().map(|status| status.phase));
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["Degraded", "Failed", "Pending", "Ready", "Valid"]);
}

#[test]
fn what_did_not_change_stays_the_same() {
    let mut world = World::new(7);
    let mut present = Present::default();
    world.update(&mut present, &News::default());
    let before = present.statuses().clone();
    world.update(&mut present, &News::default());
    let kept =
        |(object, status): (&ObjectRef, &Arc<super::super::Status>)| Arc::ptr_eq(status, &before[object]);
    assert!(!before.is_empty() && present.statuses().iter().all(kept));
}

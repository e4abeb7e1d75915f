//! A node as small as the protocol allows: it takes every entry and says so.

use std::sync::Arc;

use tidegate_proto::digest::Digests;
use tidegate_proto::table::{Entry, EntryKey, Member, Table, VirtualServerId};
use tidegate_proto::wire::push_client::PushClient;
use tidegate_proto::wire::{self, FromNode, ToNode, from_node, to_node};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::DEADLINE;
use super::plane::{Plane, connect};

/// A connected node; it leaves when dropped.
pub(crate) struct FakeNode {
    held: watch::Receiver<Held>,
    outgoing: mpsc::Sender<FromNode>,
    task: JoinHandle<()>,
}

/// What the node has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) table: Table,
    pub(crate) version: Vec<u8>,
    pub(crate) keys: Vec<wire::SessionKey>,
    /// Updates that changed an entry, on this stream.
    pub(crate) changes: usize,
    /// Updates of any kind, on this stream.
    pub(crate) updates: usize,
}

impl FakeNode {
    /// Connects with nothing.
    pub(crate) async fn join(plane: &Plane) -> Self {
        Self::join_as(plane, "fake", Held::default()).await
    }

    /// Connects with what an earlier stream left.
    pub(crate) async fn join_with(plane: &Plane, held: Held) -> Self {
        Self::join_as(plane, "fake", held).await
    }

    /// Connects under a name, beside others.
    pub(crate) async fn join_as(plane: &Plane, name: &str, held: Held) -> Self {
        Self::join_at(&plane.socket(), name, held).await
    }

    /// Connects to any control plane.
    pub(crate) async fn join_at(socket: &str, name: &str, held: Held) -> Self {
        let held = Held { changes: 0, updates: 0, ..held };
        let (outgoing, requests) = mpsc::channel(16);
        outgoing.send(hello(name, &held)).await.expect("room for the hello");
        let mut client = PushClient::new(connect(socket).await).max_decoding_message_size(256 << 20);
        let (publish, receiver) = watch::channel(held);
        let answers = outgoing.clone();
        let task = tokio::spawn(async move {
            let Ok(stream) = client.connect(ReceiverStream::new(requests)).await else { return };
            let mut stream = stream.into_inner();
            while let Ok(Some(message)) = stream.message().await {
                if let Some(answer) = take(&publish, message)
                    && answers.send(answer).await.is_err()
                {
                    return;
                }
            }
        });
        Self { held: receiver, outgoing, task }
    }

    /// Waits until what the node has satisfies a condition.
    pub(crate) async fn until(&mut self, what: &str, condition: impl Fn(&Held) -> bool) -> Held {
        let reached = timeout(DEADLINE, self.held.wait_for(|held| condition(held))).await;
        match reached.map(|held| held.map(|held| held.clone())) {
            Ok(Ok(held)) => held,
            Ok(Err(_)) => panic!("the stream ended, waiting for: {what}"),
            Err(_) => panic!("never: {what}\nheld: {:#?}", self.held.borrow().summary()),
        }
    }

    /// Waits until a virtual server in `default` has exactly these workloads.
    pub(crate) async fn until_serves(&mut self, name: &str, workloads: &[&str]) -> Held {
        self.until(&format!("{name} serves {workloads:?}"), |held| held.workloads(name) == workloads).await
    }

    /// Waits until the control plane has ended the stream.
    pub(crate) async fn until_ended(&mut self) {
        timeout(DEADLINE, &mut self.task).await.expect("the stream ends").expect("no panic");
    }

    /// What the node has now.
    pub(crate) fn held(&self) -> Held {
        self.held.borrow().clone()
    }

    /// Reports the health of every backend it has, and of every virtual server's.
    pub(crate) async fn report(&self, health: wire::BackendHealth) {
        self.report_each(|_| wire::MemberState { health: health.into(), probed: true, ..Default::default() })
            .await;
    }

    /// Reports of each backend, by workload, what `state` says.
    pub(crate) async fn report_each(&self, state: impl Fn(&str) -> wire::MemberState) {
        let held = self.held();
        let backends = held.table.backends().map(|backend| {
            let wire::MemberState { health, message, checked_unix_ms, .. } = state(&backend.workload);
            wire::BackendState {
                id: backend.id.to_string(),
                health,
                message,
                checked_unix_ms,
                ..wire::BackendState::default()
            }
        });
        let virtual_servers = held.table.virtual_servers().map(|server| {
            let member = |member: &Member| wire::MemberState {
                workload: member.workload.clone(),
                ..state(&member.workload)
            };
            wire::VirtualServerState {
                id: server.id.to_string(),
                members: server.members.iter().map(member).collect(),
                ..wire::VirtualServerState::default()
            }
        });
        let report = wire::Report {
            backends: backends.collect(),
            virtual_servers: virtual_servers.collect(),
            ..wire::Report::default()
        };
        let message = FromNode { body: Some(from_node::Body::Report(report)) };
        self.outgoing.send(message).await.expect("a live stream");
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Held {
    /// For a failed test: what is there, not all that it says.
    fn summary(&self) -> String {
        let keys: Vec<String> = self.table.entries.keys().take(20).map(ToString::to_string).collect();
        format!("{} entries in {} changes: {keys:?}", self.table.entries.len(), self.changes)
    }

    /// Workloads of a virtual server in `default`; none when there is no such server.
    pub(crate) fn workloads(&self, name: &str) -> Vec<&str> {
        let id = VirtualServerId::new("default", name);
        match self.table.entries.get(&EntryKey::VirtualServer(id)).map(|e| &**e) {
            Some(Entry::VirtualServer(v)) => v.members.iter().map(|m| m.workload.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

fn hello(node: &str, held: &Held) -> FromNode {
    let digests = Digests::of(&held.table);
    let entries = digests
        .iter()
        .map(|(key, digest)| wire::Held { key: Some(key.into()), digest: digest.as_bytes().to_vec() });
    let hello = wire::Hello {
        protocol: 1,
        node: node.into(),
        software_version: "test".into(),
        held: entries.collect(),
        session_keys: held.keys.iter().map(|k| k.id.clone()).collect(),
        listen: "http://127.0.0.1:4483".into(),
        epoch: 0,
    };
    FromNode { body: Some(from_node::Body::Hello(hello)) }
}

fn take(publish: &watch::Sender<Held>, message: ToNode) -> Option<FromNode> {
    match message.body? {
        to_node::Body::Ping(ping) => {
            Some(FromNode { body: Some(from_node::Body::Pong(wire::Pong { id: ping.id })) })
        }
        to_node::Body::Pong(_) => None,
        to_node::Body::Update(update) => {
            let verdicts = verdicts(&update);
            publish.send_modify(|held| apply(held, update));
            Some(FromNode { body: Some(from_node::Body::Verdicts(verdicts)) })
        }
    }
}

fn verdicts(update: &wire::Update) -> wire::Verdicts {
    let upserts = update.upserts.iter().map(|u| u.key.clone());
    let keys = upserts.chain(update.removals.iter().cloned().map(Some));
    let entries = keys.map(|key| wire::Verdict { key, rejected: String::new() }).collect();
    wire::Verdicts { nonce: update.nonce, version: update.version.clone(), entries }
}

fn apply(held: &mut Held, update: wire::Update) {
    held.updates += 1;
    if !update.upserts.is_empty() || !update.removals.is_empty() {
        held.changes += 1;
    }
    for upsert in update.upserts {
        let entry = Entry::try_from(upsert.entry.expect("an entry")).expect("a valid entry");
        held.table.entries.insert(entry.key(), Arc::new(entry));
    }
    for key in update.removals {
        held.table.entries.remove(&EntryKey::try_from(key).expect("a valid key"));
    }
    held.version = update.version;
    if let Some(ring) = update.key_ring {
        held.keys = ring.keys;
    }
}

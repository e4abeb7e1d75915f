//! One simulated node: the push protocol's own state machine on a stream. It takes every entry, says so, and reports all backends well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use prost::Message as _;
use tidegate_proto::push::Terms;
use tidegate_proto::push::node::{Effect, Identity, Session, Step};
use tidegate_proto::table::{Entry, Member, Table};
use tidegate_proto::wire::push_client::PushClient;
use tidegate_proto::wire::{self, FromNode};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

/// Tools of each backend.
const TOOLS: usize = 5;

/// What is known of a node from outside.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Entries of its table.
    pub(crate) entries: usize,
    /// Bytes of its largest update.
    pub(crate) largest: usize,
}

/// An edit has been applied at a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    pub(crate) edit: usize,
    pub(crate) at: Instant,
}

/// The node's parts that outlive streams.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) seen: watch::Sender<Seen>,
    pub(crate) applied: mpsc::UnboundedSender<Applied>,
    pub(crate) report_every: Duration,
    pub(crate) first_report: Duration,
}

impl Node {
    /// Serves one stream after the other.
    pub(crate) async fn run(self, socket: String) {
        let identity = Identity {
            node: self.name.clone(),
            software_version: "simulated".into(),
            listen: format!("http://{}:4483", self.name),
        };
        let mut session = Session::new(identity, Terms::default(), Arc::new(Table::default()), None);
        loop {
            if let Err(error) = self.serve(&socket, &mut session).await {
                eprintln!("{}: {error:#}; connecting again", self.name);
            }
            session.closed();
        }
    }

    async fn serve(&self, socket: &str, session: &mut Session) -> anyhow::Result<()> {
        let channel = dial(socket).await;
        let started = Instant::now();
        let (out, queue) = mpsc::channel(64);
        send(&out, session.opened(started.elapsed())).await?;
        let mut client = PushClient::new(channel).max_decoding_message_size(64 << 20);
        let mut inbound = client.connect(ReceiverStream::new(queue)).await?.into_inner();
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        let mut report_at = started + self.first_report;
        loop {
            let effects = tokio::select! {
                message = inbound.message() => {
                    let message = message?.context("the control plane closed the stream")?;
                    self.measure(message.encoded_len());
                    session.message(message, started.elapsed())
                }
                _ = ticks.tick() => session.tick(started.elapsed()),
                () = tokio::time::sleep_until(report_at.into()) => {
                    report_at += self.report_every;
                    let state = report(session.held().table());
                    session.report(&state)
                }
            };
            for effect in effects {
                match effect {
                    Effect::Apply(step) => {
                        let effects = session.applied(Vec::new());
                        self.has_applied(&step);
                        send(&out, effects).await?;
                    }
                    effect => send(&out, vec![effect]).await?,
                }
            }
        }
    }

    fn measure(&self, bytes: usize) {
        self.seen.send_if_modified(|seen| {
            let larger = bytes > seen.largest;
            seen.largest = seen.largest.max(bytes);
            larger
        });
    }

    fn has_applied(&self, step: &Step) {
        let at = Instant::now();
        self.seen.send_modify(|seen| seen.entries = step.table.entries.len());
        for entry in step.delta.upserts.values() {
            if let Entry::Backend(backend) = &**entry
                && let Some(edit) = backend.path.strip_prefix("/edit-").and_then(|n| n.parse().ok())
            {
                // the measuring may be over
                let _ = self.applied.send(Applied { edit, at });
            }
        }
    }
}

async fn dial(socket: &str) -> tonic::transport::Channel {
    loop {
        if let Ok(endpoint) = Endpoint::from_shared(socket.to_owned())
            && let Ok(channel) = endpoint.connect().await
        {
            return channel;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn send(out: &mpsc::Sender<FromNode>, effects: Vec<Effect>) -> anyhow::Result<()> {
    for effect in effects {
        match effect {
            Effect::Send(message) => out.send(message).await?,
            Effect::Close(reason) => anyhow::bail!("{reason}"),
            Effect::Apply(_) | Effect::Persist { .. } | Effect::Synced(_) => {}
        }
    }
    Ok(())
}

/// Everything is well, and was probed just now.
fn report(table: &Table) -> wire::Report {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let checked_unix_ms = u64::try_from(now.as_millis()).unwrap_or(0);
    let health = wire::BackendHealth::Healthy.into();
    let backends = table.backends().map(|backend| wire::BackendState {
        id: backend.id.to_string(),
        health,
        tools: TOOLS as u32,
        protocol_version: "2025-11-25".into(),
        server_name: backend.workload.clone(),
        checked_unix_ms,
        ..wire::BackendState::default()
    });
    let member = |member: &Member| wire::MemberState {
        workload: member.workload.clone(),
        health,
        checked_unix_ms,
        probed: true,
        ..wire::MemberState::default()
    };
    let servers = table.virtual_servers().map(|server| wire::VirtualServerState {
        id: server.id.to_string(),
        urls: vec![format!("http://node:4483/{}/{}/mcp", server.id.namespace, server.id.name)],
        tools: server.members.iter().flat_map(tools).collect(),
        members: server.members.iter().map(member).collect(),
        ..wire::VirtualServerState::default()
    });
    wire::Report {
        backends: backends.collect(),
        virtual_servers: servers.collect(),
        ..wire::Report::default()
    }
}

fn tools(member: &Member) -> impl Iterator<Item = wire::ExposedTool> {
    (0..TOOLS).map(|i| wire::ExposedTool {
        name: format!("{}_tool_{i}", member.workload),
        backend: member.workload.clone(),
        native_name: format!("tool_{i}"),
        description: "Does something that a model may want to know about before it calls.".into(),
    })
}

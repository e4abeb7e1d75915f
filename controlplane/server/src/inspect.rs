//! What `tidegate get` and `describe` ask: everything that compile, push and the nodes know, as one answer. Computed
//! when somebody asks, and again at changes for those who watch: without onlookers it costs nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tidegate_controlplane_api::{Diagnostic, ObjectRef};
use tidegate_controlplane_compile::{ObjectStatus, Withheld};
use tidegate_proto::table::{Backend, BackendId, Entry, EntryKey, Table, VirtualServer, VirtualServerId};
use tidegate_proto::wire::inspect_server::Inspect;
use tidegate_proto::wire::{self, StateReply, StateRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Request, Response, Status};

use crate::pipeline::Outcome;
use crate::push::{NodeState, PushServer};
use health::Reported;

mod backends;
mod health;
mod nodes;
mod phase;
mod virtual_servers;

pub use phase::Phase;

/// Who may look at the same time.
const MAX_ONLOOKERS: usize = 32;
/// Between two answers to one onlooker: a burst of changes becomes one.
const PACE: Duration = Duration::from_millis(50);

/// Answers the Inspect service.
#[derive(Clone, Debug)]
pub struct Inspector {
    outcomes: watch::Receiver<Arc<Outcome>>,
    push: PushServer,
    onlookers: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// A stream of answers.
type States = Pin<Box<dyn Stream<Item = Result<StateReply, Status>> + Send>>;

impl Inspector {
    /// Looks at the outcomes of the pipeline and the nodes of the push server, until `stop` holds.
    pub fn new(
        outcomes: watch::Receiver<Arc<Outcome>>,
        push: PushServer,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { outcomes, push, onlookers: Arc::new(Semaphore::new(MAX_ONLOOKERS)), stop }
    }

    /// The state now.
    pub fn state(&self) -> StateReply {
        let outcome = Arc::clone(&*self.outcomes.borrow());
        fold(&outcome, &self.push.nodes())
    }
}

#[tonic::async_trait]
impl Inspect for Inspector {
    type StateStream = States;

    async fn state(&self, request: Request<StateRequest>) -> Result<Response<States>, Status> {
        let permit = Arc::clone(&self.onlookers)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many onlookers"))?;
        let onlooker = Onlooker {
            outcomes: self.outcomes.clone(),
            nodes: self.push.changed(),
            stop: self.stop.clone(),
            inspector: self.clone(),
            last: None,
            watch: request.into_inner().watch,
            _permit: permit,
        };
        Ok(Response::new(Box::pin(futures_util::stream::unfold(onlooker, Onlooker::answer))))
    }
}

/// One stream.
struct Onlooker {
    inspector: Inspector,
    outcomes: watch::Receiver<Arc<Outcome>>,
    nodes: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    last: Option<StateReply>,
    watch: bool,
    _permit: OwnedSemaphorePermit,
}

impl Onlooker {
    async fn answer(mut self) -> Option<(Result<StateReply, Status>, Self)> {
        loop {
            if self.last.is_some() && !(self.watch && self.changed().await) {
                return None;
            }
            // Seen from here on: what changes while the answer is made leads to another.
            self.outcomes.mark_unchanged();
            self.nodes.mark_unchanged();
            let state = self.inspector.state();
            if self.last.as_ref() != Some(&state) {
                self.last = Some(state.clone());
                return Some((Ok(state), self));
            }
        }
    }

    /// Waits for a change and for the burst around it; false at the end.
    async fn changed(&mut self) -> bool {
        let stop = async { self.stop.wait_for(|stop| *stop).await.is_ok() };
        let change = async {
            tokio::select! {
                changed = self.outcomes.changed() => changed.is_ok(),
                changed = self.nodes.changed() => changed.is_ok(),
            }
        };
        tokio::select! {
            _ = stop => false,
            go_on = change => {
                tokio::time::sleep(PACE).await;
                go_on
            }
        }
    }
}

/// All that an answer is made of.
struct Facts<'a> {
    outcome: &'a Outcome,
    reported: Reported<'a>,
    /// A connected node serves exactly what is published.
    any_current: bool,
}

fn fold(outcome: &Outcome, nodes: &[NodeState]) -> StateReply {
    let connected = || nodes.iter().filter(|node| node.connected);
    let facts = Facts {
        outcome,
        reported: Reported::fold(connected()),
        any_current: connected().any(|node| node.current),
    };
    StateReply {
        version: outcome.published.as_ref().map(|version| version.id().to_string()).unwrap_or_default(),
        virtual_servers: virtual_servers::views(&facts),
        backends: backends::views(&facts),
        nodes: nodes.iter().map(nodes::view).collect(),
        diagnostics: outcome.diagnostics.iter().map(diagnostic).collect(),
    }
}

impl<'a> Facts<'a> {
    fn table(&self) -> Option<&'a Table> {
        self.outcome.published.as_ref().map(|version| &**version.table())
    }

    fn backend(&self, id: &BackendId) -> Option<&'a Backend> {
        self.table()?.backend(id)
    }

    fn virtual_server(&self, id: &VirtualServerId) -> Option<&'a VirtualServer> {
        match &**self.table()?.entries.get(&EntryKey::VirtualServer(id.clone()))? {
            Entry::VirtualServer(server) => Some(server),
            Entry::Backend(_) => None,
        }
    }

    fn statuses(&self) -> impl Iterator<Item = (&'a ObjectRef, &'a ObjectStatus)> {
        self.outcome.compiled.iter().flat_map(|compiled| &compiled.status)
    }

    fn withheld(&self, key: &EntryKey) -> Option<&'a Withheld> {
        self.outcome.compiled.as_ref()?.withheld.get(key)
    }
}

fn diagnostic(d: &Diagnostic) -> wire::Diagnostic {
    let source = d.source.as_ref();
    wire::Diagnostic {
        severity: d.severity.to_string(),
        code: d.code.to_owned(),
        object: d.object.as_ref().map(ToString::to_string).unwrap_or_default(),
        file: source.map(|s| s.file.to_string()).unwrap_or_default(),
        line: source.map_or(0, |s| s.line),
        column: source.map_or(0, |s| s.column),
        field: d.field.clone().unwrap_or_default(),
        message: d.message.clone(),
        remedy: d.remedy.clone(),
    }
}

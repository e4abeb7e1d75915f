//! What `tidegate get` and `describe` ask: everything that compile, push and the nodes know, as one answer. Computed
//! when somebody asks, and again at changes for those who watch: without onlookers it costs nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tidegate_controlplane_api::Diagnostic;
use tidegate_proto::wire::inspect_server::Inspect;
use tidegate_proto::wire::{self, StateReply, StateRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::status::board::Changes;
use crate::status::facts::Facts;
use crate::status::{Board, Condition, Look, Picture};

mod backends;
mod nodes;
mod virtual_servers;

/// Who may look at the same time.
const MAX_ONLOOKERS: usize = 32;
/// Between two answers to one onlooker: a burst of changes becomes one.
const PACE: Duration = Duration::from_millis(50);

/// Answers the Inspect service.
#[derive(Clone, Debug)]
pub struct Inspector {
    board: Board,
    onlookers: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// A stream of answers.
type States = Pin<Box<dyn Stream<Item = Result<StateReply, Status>> + Send>>;

impl Inspector {
    /// Answers from a board, until `stop` holds.
    pub fn new(board: Board, stop: watch::Receiver<bool>) -> Self {
        Self { board, onlookers: Arc::new(Semaphore::new(MAX_ONLOOKERS)), stop }
    }

    /// The state now.
    pub fn state(&self) -> StateReply {
        answer(&self.board.look(&Look::Thorough))
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
            changes: self.board.changes(),
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
    changes: Changes,
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
            self.changes.seen();
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
        tokio::select! {
            _ = stop => false,
            go_on = self.changes.next(Instant::now()) => {
                tokio::time::sleep(PACE).await;
                go_on.is_some()
            }
        }
    }
}

fn answer(picture: &Picture) -> StateReply {
    let outcome = &picture.outcome;
    let facts = Facts::new(outcome, &picture.nodes);
    StateReply {
        version: outcome.published.as_ref().map(|version| version.id().to_string()).unwrap_or_default(),
        virtual_servers: virtual_servers::views(&facts, &picture.statuses),
        backends: backends::views(&facts, &picture.statuses),
        nodes: picture.nodes.iter().map(nodes::view).collect(),
        diagnostics: outcome.diagnostics.iter().map(diagnostic).collect(),
    }
}

fn condition(condition: &Condition) -> wire::Condition {
    wire::Condition {
        r#type: condition.r#type.clone(),
        status: condition.status().to_owned(),
        reason: condition.reason.to_owned(),
        message: condition.message.clone(),
        last_transition_unix_ms: condition.since_unix_ms,
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

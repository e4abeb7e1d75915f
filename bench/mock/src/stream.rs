//! Answers that are event streams: tools that report while they work, and the GET stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::Sender;

use crate::body::{Piece, Reply};
use crate::calls::Running;
use crate::catalog::Kind;
use crate::rpc;
use crate::state::State;
use crate::tools::{Arguments, Caller};

/// Between two events of `stream_forever` when the call names no time.
const FOREVER_INTERVAL: Duration = Duration::from_millis(10);
/// Between two looks whether the session of a GET stream is still open.
const SESSION_CHECK: Duration = Duration::from_millis(100);

/// What one streaming call sends.
struct Plan {
    kind: Kind,
    id: String,
    token: Option<String>,
    events: u64,
    interval: Duration,
    /// What comes after the events: silence instead of the result.
    stalls: bool,
}

enum End {
    Done,
    Cancelled,
    ClientGone,
}

/// The body of a streaming tool's answer. Ends early, and counts it, when the client cancels or leaves.
pub(crate) fn tool(kind: Kind, caller: Caller<'_>, token: Option<&str>, arguments: Arguments) -> Reply {
    let forever = kind == Kind::StreamForever;
    let interval = Duration::from_millis(arguments.interval_ms);
    let plan = Plan {
        kind,
        id: caller.id.to_owned(),
        token: token.map(str::to_owned),
        events: if forever { u64::MAX } else { arguments.n },
        interval: if forever && interval.is_zero() { FOREVER_INTERVAL } else { interval },
        stalls: false,
    };
    body(plan, &caller)
}

/// The body of an answer that stalls: some events at once, and then nothing until the client leaves or cancels.
pub(crate) fn stalling(caller: Caller<'_>, token: Option<&str>, events: u64) -> Reply {
    let plan = Plan {
        kind: Kind::StreamForever,
        id: caller.id.to_owned(),
        token: token.map(str::to_owned),
        events,
        interval: Duration::ZERO,
        stalls: true,
    };
    body(plan, &caller)
}

fn body(plan: Plan, caller: &Caller<'_>) -> Reply {
    let running = Running::start(&caller.state, &caller.session, caller.id);
    let (tx, body) = Reply::pieces();
    tokio::spawn(async move {
        let end = tokio::select! {
            end = produce(&plan, &tx) => end,
            () = running.cancelled() => End::Cancelled,
            () = tx.closed() => End::ClientGone,
        };
        match end {
            // dropped unfinished it counts as a disconnect
            End::ClientGone => drop(running),
            End::Done | End::Cancelled => running.finish(),
        }
    });
    body
}

/// The body of a GET stream: what is sent to all of them, until the session ends.
pub(crate) fn listen(state: Arc<State>, session: String) -> Reply {
    let mut events = state.sessions.listen();
    let (tx, body) = Reply::pieces();
    tokio::spawn(async move {
        let mut check = tokio::time::interval(SESSION_CHECK);
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = tx.closed() => return,
                _ = check.tick() => {
                    if !state.options.stateless && !state.sessions.knows(&session) {
                        return;
                    }
                    continue;
                }
            };
            match event {
                Ok(event) => {
                    if tx.send(Piece::Data(event)).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    body
}

async fn produce(plan: &Plan, tx: &Sender<Piece>) -> End {
    for i in 1..=plan.events {
        if let Some(event) = plan.event(i)
            && tx.send(Piece::Data(event)).await.is_err()
        {
            return End::ClientGone;
        }
        if !plan.interval.is_zero() {
            tokio::time::sleep(plan.interval).await;
        }
    }
    if plan.stalls {
        std::future::pending::<()>().await;
    }
    let text = format!("{} events", plan.events);
    let last = rpc::event(&rpc::result(&plan.id, &rpc::text_result(&text, false)));
    if tx.send(Piece::Data(last)).await.is_err() { End::ClientGone } else { End::Done }
}

impl Plan {
    /// The i-th event; none where the client asked for no progress.
    fn event(&self, i: u64) -> Option<Bytes> {
        let message = match (self.kind, &self.token) {
            (Kind::Progress, None) => return None,
            (Kind::Progress | Kind::StreamForever, Some(token)) => {
                let total = if self.events == u64::MAX {
                    String::new()
                } else {
                    format!(r#","total":{}"#, self.events)
                };
                format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{i}{total}}}}}"#
                )
            }
            _ => format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"event {i}"}}}}"#
            ),
        };
        Some(rpc::event(message.as_bytes()))
    }
}

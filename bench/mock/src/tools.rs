//! The built-in tools that answer with one message or not at all; those that stream are in [`crate::stream`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::CONTENT_LENGTH;
use hyper::{Response, StatusCode};
use serde::Deserialize;

use crate::body::{Cut, Reply};
use crate::calls::Running;
use crate::catalog::Kind;
use crate::http::{Answer, events, json, plain};
use crate::rpc::{self, Call};
use crate::state::State;
use crate::stream;

/// Bytes that the tool `big` may be asked for.
const MAX_BIG: usize = 64 << 20;

/// Who calls.
pub(crate) struct Caller<'a> {
    pub(crate) state: Arc<State>,
    /// Empty when stateless.
    pub(crate) session: String,
    /// The request id as written.
    pub(crate) id: &'a str,
}

/// The arguments of all built-in tools; each reads those that it knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Arguments {
    ms: u64,
    pub(crate) n: u64,
    pub(crate) interval_ms: u64,
    bytes: usize,
    code: i64,
    status: u16,
    before: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { ms: 0, n: 3, interval_ms: 0, bytes: 1024, code: -32603, status: 500, before: false }
    }
}

/// Runs a tool.
pub(crate) async fn run(kind: Kind, caller: Caller<'_>, call: &Call<'_>) -> Answer {
    let text = call.arguments.map_or("{}", |a| a.get());
    if kind == Kind::Echo {
        return Ok(caller.answer(&rpc::text_result(text, false)));
    }
    let Ok(arguments) = serde_json::from_str::<Arguments>(text) else {
        return Ok(json(rpc::error(caller.id, -32602, "arguments have the wrong type")));
    };
    match kind {
        Kind::Echo => Ok(caller.answer(&rpc::text_result(text, false))),
        Kind::Who => Ok(caller.answer(&rpc::text_result(&caller.state.options.name, false))),
        Kind::Big => {
            let text = "x".repeat(arguments.bytes.min(MAX_BIG));
            Ok(caller.answer(&rpc::text_result(&text, false)))
        }
        Kind::Fail => Ok(caller.answer(&rpc::text_result("failed as it was told to", true))),
        Kind::RpcError => Ok(json(rpc::error(caller.id, arguments.code, "error as it was told to"))),
        Kind::Status => {
            let status = StatusCode::from_u16(arguments.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(plain(status, "as told by the call"))
        }
        Kind::Slow => Ok(slow(caller, Duration::from_millis(arguments.ms)).await),
        Kind::Close if arguments.before => Err(Cut),
        Kind::Close => Ok(close(caller.id)),
        Kind::Split => Ok(split(rpc::result(caller.id, &rpc::text_result(text, false)))),
        Kind::Progress | Kind::Sse | Kind::StreamForever => {
            let token = call.meta.as_ref().and_then(|m| m.progress_token).map(|t| t.get());
            Ok(events(stream::tool(kind, caller, token, arguments)))
        }
    }
}

impl Caller<'_> {
    fn answer(&self, result: &str) -> Response<Reply> {
        let message = rpc::result(self.id, result);
        if self.state.options.sse_answers {
            events(Reply::whole(rpc::event(&message)))
        } else {
            json(message)
        }
    }
}

async fn slow(caller: Caller<'_>, time: Duration) -> Response<Reply> {
    let running = Running::start(&caller.state, &caller.session, caller.id);
    tokio::select! {
        () = tokio::time::sleep(time) => {
            running.finish();
            caller.answer(&rpc::text_result(&format!("slept {} ms", time.as_millis()), false))
        }
        () = running.cancelled() => {
            running.finish();
            // no answer is due to a cancelled request, but the POST needs an end
            events(Reply::whole(Bytes::new()))
        }
    }
}

/// Promises a whole answer, sends half of it and cuts.
fn close(id: &str) -> Response<Reply> {
    let answer = rpc::result(id, &rpc::text_result("never complete", false));
    let length = answer.len();
    sized(Reply::half(answer, 2, Duration::ZERO), length)
}

/// Writes an answer of known length byte by byte.
fn split(answer: Bytes) -> Response<Reply> {
    let length = answer.len();
    sized(Reply::dribble(answer, Duration::ZERO), length)
}

fn sized(body: Reply, length: usize) -> Response<Reply> {
    let mut response = json(Bytes::new());
    *response.body_mut() = body;
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

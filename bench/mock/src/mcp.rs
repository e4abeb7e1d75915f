//! MCP over POST: the handshake, the list, and the way to the tools.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Response, StatusCode};
use serde::Deserialize;

use crate::body::Reply;
use crate::faults::Fault;
use crate::http::{self, Answer, SESSION, VERSION, json, plain, refused};
use crate::line::Line;
use crate::rpc::{self, Call, Envelope};
use crate::state::State;
use crate::stats::Method;
use crate::tools;

/// The revisions spoken, newest first.
const VERSIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

const INVALID_PARAMS: i64 = -32602;

/// Answers a POST whose headers are as they should be.
pub(crate) async fn post(state: Arc<State>, line: &Line, headers: HeaderMap, body: Bytes) -> Answer {
    let Ok(message) = serde_json::from_slice::<Envelope<'_>>(&body) else {
        state.counters.saw(Method::Other, headers, body);
        return Ok(refused(StatusCode::BAD_REQUEST, -32700, "not one JSON-RPC message"));
    };
    let method = Method::of(message.method.as_deref());
    let checked = check(&state, method, &headers);
    state.counters.saw(method, headers, body.clone());
    let Some(fault) = state.script.before(method).await else {
        return right(state, method, checked, None, &message).await;
    };
    let id = message.id.map_or("null", |id| id.get());
    let session = checked.as_ref().cloned().unwrap_or_default();
    let caller = tools::Caller { state: state.clone(), session, id };
    match fault.instead(caller, progress_token(&message), line).await {
        Some(answer) => answer,
        None => {
            let answer = right(state, method, checked, Some(fault), &message).await?;
            Ok(fault.spoil(answer, line))
        }
    }
}

/// The answer as it should be, but for its id.
async fn right(
    state: Arc<State>,
    method: Method,
    checked: Result<String, Box<Response<Reply>>>,
    fault: Option<Fault>,
    message: &Envelope<'_>,
) -> Answer {
    let session = match checked {
        Ok(session) => session,
        Err(refusal) => return Ok(*refusal),
    };
    let Some(id) = message.id.map(|id| Fault::id(fault, id.get())) else {
        if method == Method::Cancelled {
            cancel(&state, &session, message);
        }
        return Ok(plain(StatusCode::ACCEPTED, ""));
    };
    match method {
        Method::Answer => Ok(plain(StatusCode::ACCEPTED, "")),
        Method::Initialize => Ok(initialize(&state, id, message)),
        Method::Ping => Ok(json(rpc::result(id, "{}"))),
        Method::ToolsList => Ok(json(list(&state, id, message))),
        Method::ToolsCall => call(state, session, id, message).await,
        _ => Ok(json(rpc::error(id, -32601, "Method not found"))),
    }
}

/// The progress token of a call.
fn progress_token<'a>(message: &Envelope<'a>) -> Option<&'a str> {
    let call = serde_json::from_str::<Call<'a>>(message.params?.get()).ok()?;
    call.meta?.progress_token.map(|t| t.get())
}

/// The session that a request belongs to, or why it is refused.
fn check(state: &State, method: Method, headers: &HeaderMap) -> Result<String, Box<Response<Reply>>> {
    if method == Method::Initialize {
        return Ok(String::new());
    }
    if let Some(version) = headers.get(VERSION)
        && !VERSIONS.iter().any(|v| version == v)
    {
        let text = "MCP-Protocol-Version is not supported";
        return Err(Box::new(refused(StatusCode::BAD_REQUEST, -32000, text)));
    }
    http::session(state, headers).map(str::to_owned)
}

fn initialize(state: &State, id: &str, message: &Envelope<'_>) -> Response<Reply> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        version: Cow<'a, str>,
    }
    let Some(params) = message.params.and_then(|p| serde_json::from_str::<Params<'_>>(p.get()).ok()) else {
        return json(rpc::error(id, INVALID_PARAMS, "params.protocolVersion is required"));
    };
    let version = VERSIONS.iter().find(|v| **v == params.version).unwrap_or(&VERSIONS[0]);
    let name = rpc::escaped(&state.options.name);
    let mut response = json(rpc::result(
        id,
        &format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{{"listChanged":{}}}}},"serverInfo":{{"name":{name},"version":"{}"}}}}"#,
            state.options.get_stream,
            env!("CARGO_PKG_VERSION"),
        ),
    ));
    if !state.options.stateless {
        let session = HeaderValue::from_str(&state.sessions.open()).expect("session ids are ASCII");
        response.headers_mut().insert(SESSION, session);
        state.counters.sessions_opened.add(1);
    }
    response
}

fn list(state: &State, id: &str, message: &Envelope<'_>) -> Bytes {
    #[derive(Deserialize, Default)]
    struct Params<'a> {
        #[serde(borrow, default)]
        cursor: Option<Cow<'a, str>>,
    }
    let params: Params<'_> =
        message.params.and_then(|p| serde_json::from_str(p.get()).ok()).unwrap_or_default();
    let catalog = state.catalog();
    match catalog.page(params.cursor.as_deref()) {
        // built from str pieces only
        Some(page) => rpc::result(id, std::str::from_utf8(page).unwrap_or_default()),
        None => rpc::error(id, INVALID_PARAMS, "Invalid cursor"),
    }
}

async fn call(state: Arc<State>, session: String, id: &str, message: &Envelope<'_>) -> Answer {
    let Some(call) = message.params.and_then(|p| serde_json::from_str::<Call<'_>>(p.get()).ok()) else {
        return Ok(json(rpc::error(id, INVALID_PARAMS, "params.name is required")));
    };
    let catalog = state.catalog();
    match catalog.tool(&call.name) {
        Some(tool) => {
            tool.calls.add(1);
            tools::run(tool.kind, tools::Caller { state, session, id }, &call).await
        }
        None => Ok(json(rpc::error(id, INVALID_PARAMS, &format!("Unknown tool: {}", call.name)))),
    }
}

fn cancel(state: &State, session: &str, message: &Envelope<'_>) {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "requestId")]
        id: &'a serde_json::value::RawValue,
    }
    let params = message.params.and_then(|p| serde_json::from_str::<Params<'_>>(p.get()).ok());
    if params.is_some_and(|p| state.calls.cancel(session, p.id.get())) {
        state.counters.cancelled.add(1);
    }
}

//! HTTP: which path and method, what the headers must say, reading the body.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};

use crate::body::{Cut, Reply};
use crate::control::Control;
use crate::line::Line;
use crate::state::State;
use crate::stats::Method;
use crate::tools::Caller;
use crate::{mcp, rpc, stream};

/// Larger request bodies are refused with 413.
const MAX_BODY: usize = 16 << 20;

pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SSE: HeaderValue = HeaderValue::from_static("text/event-stream");

/// An answer, or the order to drop the connection without one.
pub(crate) type Answer = Result<Response<Reply>, Cut>;

/// Answers one request that came on a line.
pub(crate) async fn answer(state: Arc<State>, line: Arc<Line>, request: Request<Incoming>) -> Answer {
    match (request.method(), request.uri().path()) {
        (&hyper::Method::GET, "/_stats") => {
            let stats = serde_json::to_vec(&state.stats()).expect("stats have only string keys");
            Ok(json(stats.into()))
        }
        (&hyper::Method::POST, "/_control") => control(&state, request).await,
        (_, path) if path.starts_with("/_") => Ok(plain(StatusCode::NOT_FOUND, "no such endpoint")),
        (&hyper::Method::POST, _) => post(state, &line, request).await,
        (&hyper::Method::GET, _) => get(state, &line, request).await,
        (&hyper::Method::DELETE, _) => delete(state, &line, request).await,
        _ => Ok(not_allowed(&state)),
    }
}

/// 200 with JSON.
pub(crate) fn json(body: Bytes) -> Response<Reply> {
    with_type(Reply::whole(body), JSON)
}

/// 200 with an event stream.
pub(crate) fn events(body: Reply) -> Response<Reply> {
    with_type(body, SSE)
}

/// A status with a text for people.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Reply> {
    let mut response = Response::new(Reply::whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// A JSON-RPC error with an HTTP status, for requests that cannot be attributed to an id.
pub(crate) fn refused(status: StatusCode, code: i64, message: &str) -> Response<Reply> {
    let mut response = json(rpc::error("null", code, message));
    *response.status_mut() = status;
    response
}

/// 400 without a session id, 404 with one that is not open. Stateless mocks let everything pass.
pub(crate) fn session<'h>(state: &State, headers: &'h HeaderMap) -> Result<&'h str, Box<Response<Reply>>> {
    if state.options.stateless {
        return Ok("");
    }
    let id = headers.get(SESSION).and_then(|v| v.to_str().ok());
    let missing = || Box::new(refused(StatusCode::BAD_REQUEST, -32000, "Mcp-Session-Id is required"));
    let id = id.ok_or_else(missing)?;
    let unknown = || Box::new(refused(StatusCode::NOT_FOUND, -32001, "Session not found"));
    state.sessions.knows(id).then_some(id).ok_or_else(unknown)
}

async fn post(state: Arc<State>, line: &Line, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let headers = head.headers;
    if !accepts(&headers, "application/json") || !accepts(&headers, "text/event-stream") {
        let text = "Accept must name application/json and text/event-stream";
        return Ok(refused(StatusCode::NOT_ACCEPTABLE, -32000, text));
    }
    if !names(&headers, &CONTENT_TYPE, "application/json") {
        return Ok(refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            -32000,
            "Content-Type must be application/json",
        ));
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => mcp::post(state, line, headers, body.to_bytes()).await,
        Err(_) => Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "body too large")),
    }
}

async fn get(state: Arc<State>, line: &Line, request: Request<Incoming>) -> Answer {
    let headers = request.into_parts().0.headers;
    state.counters.saw(Method::Get, headers.clone(), Bytes::new());
    faulty(&state, line, Method::Get, || {
        if !state.options.get_stream {
            return not_allowed(&state);
        }
        if !accepts(&headers, "text/event-stream") {
            return refused(StatusCode::NOT_ACCEPTABLE, -32000, "Accept must name text/event-stream");
        }
        match session(&state, &headers) {
            Ok(id) => events(stream::listen(state.clone(), id.to_owned())),
            Err(refusal) => *refusal,
        }
    })
    .await
}

async fn delete(state: Arc<State>, line: &Line, request: Request<Incoming>) -> Answer {
    let headers = request.into_parts().0.headers;
    state.counters.saw(Method::Delete, headers.clone(), Bytes::new());
    faulty(&state, line, Method::Delete, || {
        if state.options.stateless {
            return not_allowed(&state);
        }
        match session(&state, &headers) {
            Ok(id) => {
                if state.sessions.close(id) {
                    state.counters.sessions_deleted.add(1);
                }
                plain(StatusCode::OK, "")
            }
            Err(refusal) => *refusal,
        }
    })
    .await
}

/// A request without a body, answered as the script says.
async fn faulty(
    state: &Arc<State>,
    line: &Line,
    method: Method,
    right: impl FnOnce() -> Response<Reply>,
) -> Answer {
    let Some(fault) = state.script.before(method).await else { return Ok(right()) };
    let caller = Caller { state: state.clone(), session: String::new(), id: "null" };
    match fault.instead(caller, None, line).await {
        Some(answer) => answer,
        None => Ok(fault.spoil(right(), line)),
    }
}

async fn control(state: &State, request: Request<Incoming>) -> Answer {
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "body too large"));
    };
    let control: Control = match serde_json::from_slice(&body.to_bytes()) {
        Ok(control) => control,
        Err(error) => {
            let mut response = Response::new(Reply::whole(error.to_string()));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
    };
    state.control(&control);
    Ok(json(Bytes::from_static(b"{}")))
}

fn not_allowed(state: &State) -> Response<Reply> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "");
    let allowed = match (state.options.get_stream, state.options.stateless) {
        (true, true) => "GET, POST",
        (true, false) => "GET, POST, DELETE",
        (false, true) => "POST",
        (false, false) => "POST, DELETE",
    };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    names(headers, &ACCEPT, media_type)
}

fn names(headers: &HeaderMap, name: &HeaderName, media_type: &str) -> bool {
    headers.get_all(name).iter().any(|v| v.to_str().is_ok_and(|v| v.contains(media_type)))
}

fn with_type(body: Reply, media_type: HeaderValue) -> Response<Reply> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

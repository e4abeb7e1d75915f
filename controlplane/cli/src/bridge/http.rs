//! The HTTP side: streamable HTTP (2025-03-26 to 2025-11-25) as one function from request to response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use rmcp::model::{ErrorCode, ErrorData, RequestId};
use rmcp::transport::common::http_header::{EVENT_STREAM_MIME_TYPE, HEADER_SESSION_ID, JSON_MIME_TYPE};

use super::body::{Body, events, fixed};
use super::envelope::{Envelope, EnvelopeError, error};
use super::session::{Call, Item, MAX_MESSAGE, SendError, Session};
use super::sessions::{OpenError, Sessions};

/// How long an answer may take before the response begins as an event stream, kept alive by comments.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the handler needs of the bridge.
pub(crate) struct Site {
    /// Where MCP is served, as in the endpoint.
    pub(crate) path: String,
    /// See [`Sessions`].
    pub(crate) sessions: Arc<Sessions>,
}

/// A refusal: status, JSON-RPC error code, the request it answers, and the reason.
struct Refusal(StatusCode, ErrorCode, Option<RequestId>, String);

/// Answers one request.
pub(crate) async fn handle(site: Arc<Site>, request: Request<Incoming>) -> Response<Body> {
    let answered = match admit(&site, &request) {
        Err(refusal) => Err(refusal),
        Ok(()) => match *request.method() {
            Method::POST => post(&site, request).await,
            Method::GET => get(&site, request.headers()),
            Method::DELETE => delete(&site, request.headers()),
            _ => Err(invalid(StatusCode::METHOD_NOT_ALLOWED, "use POST, GET or DELETE")),
        },
    };
    answered.unwrap_or_else(refuse)
}

/// Only the one path, and only local callers: a web page elsewhere must not reach it by DNS rebinding.
fn admit(site: &Site, request: &Request<Incoming>) -> Result<(), Refusal> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_local(host) {
        return Err(invalid(StatusCode::FORBIDDEN, "Host is not a loopback name"));
    }
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
        if !authority.is_some_and(is_local) {
            return Err(invalid(StatusCode::FORBIDDEN, "Origin is not a loopback name"));
        }
    }
    if request.uri().path() != site.path {
        return Err(invalid(StatusCode::NOT_FOUND, "no MCP server at this path"));
    }
    Ok(())
}

async fn post(site: &Site, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    if !mentions(&head.headers, header::CONTENT_TYPE, JSON_MIME_TYPE) {
        let why = "Content-Type must be application/json";
        return Err(invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    if !accepts(&head.headers, JSON_MIME_TYPE) || !accepts(&head.headers, EVENT_STREAM_MIME_TYPE) {
        let why = "Accept must name application/json and text/event-stream";
        return Err(invalid(StatusCode::NOT_ACCEPTABLE, why));
    }
    let body = Limited::new(body, MAX_MESSAGE).collect().await;
    let body =
        body.map_err(|_| invalid(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or was cut off"))?;
    let body = body.to_bytes();
    let envelope = Envelope::peek(&body).map_err(unreadable)?;
    let session = session_for(site, &head.headers, &envelope)?;
    match envelope {
        Envelope::Request { id, progress, .. } => {
            let call = session.call(id.clone(), progress, &body).await;
            let call = call.map_err(|error| undelivered(Some(id.clone()), &error))?;
            let mut response = answer(call, id).await;
            if let Ok(id) = session.id().parse() {
                response.headers_mut().insert(HEADER_SESSION_ID, id);
            }
            Ok(response)
        }
        Envelope::Notification { .. } | Envelope::Answer { .. } => {
            session.send(&body).await.map_err(|error| undelivered(None, &error))?;
            Ok(plain(StatusCode::ACCEPTED))
        }
    }
}

/// The session a message names, or a new one for `initialize`.
fn session_for(site: &Site, headers: &HeaderMap, envelope: &Envelope) -> Result<Arc<Session>, Refusal> {
    if headers.contains_key(HEADER_SESSION_ID) {
        return known_session(site, headers);
    }
    match envelope {
        Envelope::Request { id, method, .. } if method == "initialize" => {
            site.sessions.open().map_err(|error| unopened(id.clone(), &error))
        }
        _ => known_session(site, headers),
    }
}

fn known_session(site: &Site, headers: &HeaderMap) -> Result<Arc<Session>, Refusal> {
    let id = headers.get(HEADER_SESSION_ID);
    let id =
        id.ok_or_else(|| invalid(StatusCode::BAD_REQUEST, "Mcp-Session-Id is missing: initialize first"))?;
    let session = id.to_str().ok().and_then(|id| site.sessions.get(id));
    session.ok_or_else(|| invalid(StatusCode::NOT_FOUND, "no such session: initialize anew"))
}

/// One JSON body when the answer comes first, else an event stream.
async fn answer(mut call: Call, id: RequestId) -> Response<Body> {
    match tokio::time::timeout(PATIENCE, call.items.recv()).await {
        Ok(Some(Item::Answer(message))) => json(StatusCode::OK, message),
        Ok(Some(first @ Item::Message(_))) => events_response(events(Some(first), call, Some(id))),
        Ok(None) => refuse(undelivered(Some(id), &SendError::Gone)),
        Err(_) => events_response(events(None, call, Some(id))),
    }
}

fn get(site: &Site, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    if !accepts(headers, EVENT_STREAM_MIME_TYPE) {
        return Err(invalid(StatusCode::NOT_ACCEPTABLE, "Accept must name text/event-stream"));
    }
    let session = known_session(site, headers)?;
    Ok(events_response(events(None, session.listen(), None)))
}

fn delete(site: &Site, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let session = known_session(site, headers)?;
    site.sessions.close(session.id());
    Ok(plain(StatusCode::NO_CONTENT))
}

fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn mentions(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    media_types(headers, name).any(|found| found.eq_ignore_ascii_case(wanted))
}

fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let any = |found: &str| {
        let (kind, _) = wanted.split_once('/').unwrap_or((wanted, ""));
        found.eq_ignore_ascii_case(wanted) || found == "*/*" || found.strip_suffix("/*") == Some(kind)
    };
    media_types(headers, header::ACCEPT).any(any)
}

fn media_types(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|item| item.split(';').next().unwrap_or_default().trim())
}

fn invalid(status: StatusCode, why: &str) -> Refusal {
    Refusal(status, ErrorCode::INVALID_REQUEST, None, why.to_owned())
}

fn unreadable(error: EnvelopeError) -> Refusal {
    let code = match error {
        EnvelopeError::Json(_) => ErrorCode::PARSE_ERROR,
        EnvelopeError::Batch | EnvelopeError::Shape | EnvelopeError::Id => ErrorCode::INVALID_REQUEST,
    };
    Refusal(StatusCode::BAD_REQUEST, code, None, error.to_string())
}

fn undelivered(id: Option<RequestId>, error: &SendError) -> Refusal {
    let (status, code) = match error {
        SendError::Duplicate(_) => (StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST),
        SendError::Gone => (StatusCode::BAD_GATEWAY, ErrorCode::INTERNAL_ERROR),
        SendError::Stuck => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::INTERNAL_ERROR),
    };
    Refusal(status, code, id, error.to_string())
}

fn unopened(id: RequestId, error: &OpenError) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "no session");
    let status = match error {
        OpenError::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        OpenError::Start { .. } => StatusCode::BAD_GATEWAY,
    };
    Refusal(status, ErrorCode::INTERNAL_ERROR, Some(id), error.to_string())
}

fn refuse(Refusal(status, code, id, why): Refusal) -> Response<Body> {
    let mut response = json(status, error(id, ErrorData::new(code, why, None)).into());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allow = header::HeaderValue::from_static("POST, GET, DELETE");
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn json(status: StatusCode, message: Bytes) -> Response<Body> {
    typed(status, JSON_MIME_TYPE, fixed(message))
}

fn events_response(body: Body) -> Response<Body> {
    let mut response = typed(StatusCode::OK, EVENT_STREAM_MIME_TYPE, body);
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(fixed(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn typed(status: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for local in ["localhost", "LocalHost:80", "127.0.0.1:9", "127.9.9.9", "[::1]:80", "[::1]"] {
            assert!(is_local(local), "{local}");
        }
        for other in
            ["", "example.com", "localhost.example.com:80", "10.0.0.1", "[::2]:1", "127.0.0.1.nip.io"]
        {
            assert!(!is_local(other), "{other}");
        }
    }

    fn check(accept: &[&str], wanted: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        assert_eq!(accepts(&headers, wanted), expected, "{accept:?} {wanted}");
    }

    #[test]
    fn accept_may_be_spread_over_fields_and_use_wildcards() {
        check(&["application/json, text/event-stream"], EVENT_STREAM_MIME_TYPE, true);
        check(&["application/json", "Text/Event-Stream;q=0.5"], EVENT_STREAM_MIME_TYPE, true);
        check(&["*/*"], JSON_MIME_TYPE, true);
        check(&["text/*"], EVENT_STREAM_MIME_TYPE, true);
        check(&["text/*"], JSON_MIME_TYPE, false);
        check(&[], JSON_MIME_TYPE, false);
    }
}

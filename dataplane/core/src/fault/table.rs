//! The one table from fault to answer. `docs/faults.md` is made from it.
//!
//! JSON-RPC codes: those that JSON-RPC or MCP fix; otherwise the HTTP status, which lies outside -32768..=-32000 as
//! MCP asks of own codes. Failures of a message that was understood travel at HTTP 200.

use super::{Blame, Fault};

/// What a fault means and how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Stable name.
    pub code: &'static str,
    /// Who has to change something.
    pub blame: Blame,
    /// HTTP status.
    pub http: u16,
    /// JSON-RPC error code.
    pub rpc: i64,
    /// The public text, or its beginning where the fault carries details.
    pub message: &'static str,
    /// What it means and what helps, for `docs/faults.md`.
    pub meaning: &'static str,
}

macro_rules! table {
    ($($fault:pat => $code:literal $blame:ident $http:literal $rpc:literal $message:literal: $meaning:literal;)+) => {
        /// Every fault, in the order of the enum.
        pub const ROWS: &[Row] = &[$(Row {
            code: $code, blame: Blame::$blame, http: $http, rpc: $rpc, message: $message, meaning: $meaning,
        }),+];

        impl Fault {
            /// Its row of the table.
            pub fn row(&self) -> &'static Row {
                match self {
                    $($fault => &Row {
                        code: $code, blame: Blame::$blame, http: $http, rpc: $rpc, message: $message, meaning: $meaning,
                    }),+
                }
            }
        }
    };
}

table! {
    Fault::ParseError => "parse_error" Client 400 -32700 "parse error":
        "The body is not JSON.";
    Fault::InvalidRequest(_) => "invalid_request" Client 400 -32600 "invalid request":
        "The body is JSON but no JSON-RPC 2.0 message; the text says why.";
    Fault::BatchUnsupported => "batch_unsupported" Client 400 -32600 "invalid request: batches are not supported":
        "The body is an array. Send one message per POST.";
    Fault::MissingSession => "missing_session" Client 400 -32600 "bad request: Mcp-Session-Id header is required":
        "Send the `Mcp-Session-Id` that the answer to `initialize` carried.";
    Fault::UnknownSession => "unknown_session" Client 404 404 "session not found":
        "The session ended, expired, belongs to another virtual server or was never issued. Initialize again.";
    Fault::UnknownVirtualServer => "unknown_virtual_server" Client 404 404 "no such virtual server":
        "Neither the Host header (`vmcp-NAME.NAMESPACE`) nor the path (`/NAMESPACE/NAME/mcp`) names a virtual server that is served, or the name is ambiguous.";
    Fault::HostForbidden => "host_forbidden" Policy 403 403 "forbidden: Host is not allowed":
        "The listener is on a loopback address and the Host header is not local: the guard against DNS rebinding.";
    Fault::OriginForbidden => "origin_forbidden" Policy 403 403 "forbidden: Origin is not allowed":
        "A browser page of another origin sent the request. Allow the origin where it is wanted.";
    Fault::NotAcceptable => "not_acceptable" Client 406 -32600 "Not Acceptable: Client must accept text/event-stream":
        "A GET for the event stream needs `Accept: text/event-stream`.";
    Fault::PostNotAcceptable => "post_not_acceptable" Client 406 -32600 "Not Acceptable: Client must accept both application/json and text/event-stream":
        "A POST needs `Accept: application/json, text/event-stream`.";
    Fault::UnsupportedMediaType => "unsupported_media_type" Client 415 415 "unsupported media type: Content-Type must be application/json":
        "A POST needs `Content-Type: application/json`.";
    Fault::MethodNotAllowed => "method_not_allowed" Client 405 405 "method not allowed":
        "The path does not take this HTTP method; `Allow` names those that it takes.";
    Fault::BodyTooLarge => "body_too_large" Client 413 413 "request body too large":
        "The body exceeds the limit (8 MiB).";
    Fault::HeadTooLarge => "head_too_large" Client 431 431 "request header fields too large":
        "The request line and headers exceed the limit.";
    Fault::BadHttp(_) => "bad_http" Client 400 400 "bad request":
        "The request breaks a rule of HTTP that the gateway insists on, often against request smuggling; the text says which.";
    Fault::UnsupportedProtocolVersion => "unsupported_protocol_version" Client 400 -32602 "unsupported protocol version":
        "`MCP-Protocol-Version` names no revision that is served.";
    Fault::UnknownTool(_) => "unknown_tool" Client 200 -32602 "tool \"…\" not found":
        "No tool of that name is advertised. A hidden tool answers alike.";
    Fault::MethodNotFound => "method_not_found" Client 200 -32601 "method not found":
        "The method is not served.";
    Fault::InvalidParams(_) => "invalid_params" Client 200 -32602 "invalid params":
        "`params` lacks something or has a wrong type; the text says what.";
    Fault::InvalidCursor => "invalid_cursor" Client 200 -32602 "invalid cursor":
        "The cursor was not issued for this list. Start from the first page.";
    Fault::BackendUnavailable { .. } => "backend_unavailable" Backend 200 -32603 "backend unavailable: …":
        "No connection to the backend could be made, or it broke before the answer. `tools/call` gets a result with `isError`.";
    Fault::BackendTimeout { .. } => "backend_timeout" Backend 200 -32603 "operation timed out: …":
        "The backend did not answer within `operational.timeouts`. `tools/call` gets a result with `isError`.";
    Fault::BackendProtocol { .. } => "backend_protocol" Backend 200 -32603 "backend unavailable: …":
        "The backend answered with something that is not MCP. `tools/call` gets a result with `isError`.";
    Fault::BackendAuthentication { .. } => "backend_authentication" Backend 200 -32603 "authentication failed: …":
        "The backend answered 401 or 403. Configure its outgoing authentication.";
    Fault::BackendBusy { .. } => "backend_busy" Backend 200 -32603 "backend unavailable: …":
        "The backend answered 429 or 503. `_meta` of the result repeats its `Retry-After` in milliseconds. It is told apart from a failure: 429 never counts for the circuit breaker.";
    Fault::CircuitOpen { .. } => "circuit_open" Backend 200 -32603 "backend unavailable: circuit breaker …":
        "Too many requests to the backend failed in a row; nothing is sent until `data.retryAfterMs` has passed and one trial succeeds. `data` names the backend and the breaker's state.";
    Fault::BackendOverloaded { .. } => "backend_overloaded" Gateway 503 503 "overloaded: …":
        "As many calls of the backend are in flight and waiting as `tidegate.dev/max-requests` and `tidegate.dev/max-pending` allow on this node.";
    Fault::BackendsMissing { .. } => "backends_missing" Backend 200 -32603 "backend unavailable: …":
        "`partialFailureMode` is `fail`, so that `initialize` and lists need every backend of the group; `data.backends` names those that are not available.";
    Fault::Overloaded => "overloaded" Gateway 503 503 "overloaded":
        "A limit of the gateway is reached (connections, requests in flight). Try again later.";
    Fault::Internal => "internal" Gateway 500 -32603 "internal error":
        "A bug of the gateway; its log has the cause.";
    Fault::NotReady => "not_ready" Gateway 503 503 "not ready":
        "The gateway has not received its configuration yet, or is shutting down. Try again later.";
}

//! Why a request failed: one closed enum, and one table that says what the client sees ([`ROWS`]).
//!
//! Public texts name what the client may know: the backend's workload and the kind of failure, never an address,
//! a credential or an argument. What else is known goes to the log by the caller.

mod table;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use tidegate_dataplane_codec::json::escape;

use crate::json;

pub use table::{ROWS, Row};

/// How many characters of a tool's name are repeated to the client that asked for it.
const NAME_CHARS: usize = 128;

/// Key of a tool result's `_meta` that says when to try again, in milliseconds.
pub const RETRY_AFTER: &str = "dev.tidegate/retryAfterMs";

/// Who has to change something for the request to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The caller.
    Client,
    /// This gateway or its configuration.
    Gateway,
    /// A backend.
    Backend,
    /// Nobody: a rule forbids it.
    Policy,
}

/// A request's failure. Codes and answers: [`ROWS`], `docs/faults.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is not JSON.
    ParseError,
    /// The body is no JSON-RPC message; what is wrong with it.
    InvalidRequest(&'static str),
    /// The body is an array.
    BatchUnsupported,
    /// No `Mcp-Session-Id` where one is required.
    MissingSession,
    /// A session that was not issued here, was issued for another virtual server, ended or expired.
    UnknownSession,
    /// Neither Host nor path names a virtual server.
    UnknownVirtualServer,
    /// DNS-rebinding guard: Host.
    HostForbidden,
    /// DNS-rebinding guard: Origin.
    OriginForbidden,
    /// GET whose `Accept` lacks `text/event-stream`.
    NotAcceptable,
    /// POST whose `Accept` lacks `application/json` or `text/event-stream`.
    PostNotAcceptable,
    /// POST of something other than `application/json`.
    UnsupportedMediaType,
    /// An HTTP method that the path does not take.
    MethodNotAllowed,
    /// A body above the limit.
    BodyTooLarge,
    /// A request head above the limit.
    HeadTooLarge,
    /// Refused by the HTTP codec; the rule that it broke.
    BadHttp(&'static str),
    /// `MCP-Protocol-Version` names no revision that is served.
    UnsupportedProtocolVersion,
    /// A tool that is absent or hidden, by its exposed name. Made by [`Fault::unknown_tool`].
    UnknownTool(Box<str>),
    /// A method that is not served.
    MethodNotFound,
    /// What is wrong with `params`.
    InvalidParams(&'static str),
    /// A list cursor that was not issued here.
    InvalidCursor,
    /// No connection to the backend, or it broke before an answer.
    BackendUnavailable {
        /// The backend's name.
        workload: Arc<str>,
        /// What broke, in words that are safe for strangers.
        reason: &'static str,
    },
    /// The backend did not answer in time.
    BackendTimeout {
        /// The backend's name.
        workload: Arc<str>,
        /// The bound that applied, in milliseconds.
        limit_ms: u64,
    },
    /// The backend's answer is not MCP.
    BackendProtocol {
        /// The backend's name.
        workload: Arc<str>,
    },
    /// The backend wants another credential than it gets.
    BackendAuthentication {
        /// The backend's name.
        workload: Arc<str>,
    },
    /// The backend asks to be left alone for a while (HTTP 429 or 503).
    BackendBusy {
        /// The backend's name.
        workload: Arc<str>,
        /// The HTTP status.
        status: u16,
        /// What its `Retry-After` says, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// The circuit breaker of the backend, or of the tool, lets nothing through.
    CircuitOpen {
        /// The backend's name.
        workload: Arc<str>,
        /// `open` or `half-open`.
        state: &'static str,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// As many calls as the backend's limits allow are in flight and waiting.
    BackendOverloaded {
        /// The backend's name.
        workload: Arc<str>,
    },
    /// Every backend is required (`partialFailureMode: fail`), and some are not available.
    BackendsMissing {
        /// Their names.
        workloads: Box<[Arc<str>]>,
    },
    /// A limit of the gateway is reached.
    Overloaded,
    /// A bug of the gateway.
    Internal,
    /// The gateway has no configuration or keys yet, or drains.
    NotReady,
}

impl Fault {
    /// The fault of a call to `name`, unescaped as the client sent it; only what is repeated is kept.
    pub fn unknown_tool(name: &[u8]) -> Self {
        // a character is at most 4 bytes; one more than the limit lets the cut be seen
        let head = &name[..name.len().min(4 * (NAME_CHARS + 1))];
        Self::UnknownTool(json::cut(&String::from_utf8_lossy(head), NAME_CHARS).into())
    }

    /// Stable snake_case name: metric label, log field, anchor in `docs/faults.md`.
    pub fn code(&self) -> &'static str {
        self.row().code
    }

    /// Who has to change something.
    pub fn blame(&self) -> Blame {
        self.row().blame
    }

    /// Status of the HTTP answer.
    pub fn http_status(&self) -> u16 {
        self.row().http
    }

    /// `error.code` of the JSON-RPC answer.
    pub fn rpc_code(&self) -> i64 {
        self.row().rpc
    }

    /// The public text.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::InvalidRequest(what) => format!("invalid request: {what}").into(),
            Self::BadHttp(what) => format!("bad request: {what}").into(),
            Self::InvalidParams(what) => format!("invalid params: {what}").into(),
            Self::UnknownTool(name) => format!("tool \"{}\" not found", json::cut(name, NAME_CHARS)).into(),
            Self::BackendUnavailable { workload, reason } => format!(
                "backend unavailable: failed to call tool for backend {workload} (connection error): {reason}"
            )
            .into(),
            Self::BackendTimeout { workload, limit_ms } => {
                format!("operation timed out: backend {workload} did not answer within {limit_ms} ms").into()
            }
            Self::BackendAuthentication { workload } => {
                format!("authentication failed: backend {workload} refused the credential that it was sent, or wants one").into()
            }
            Self::BackendBusy { workload, status, retry_after_ms } => busy(workload, *status, *retry_after_ms).into(),
            Self::CircuitOpen { workload, state, retry_after_ms } => format!(
                "backend unavailable: circuit breaker of backend {workload} is {state}; try again in {retry_after_ms} ms"
            )
            .into(),
            Self::BackendOverloaded { workload } => {
                format!("overloaded: too many calls of backend {workload} are in flight").into()
            }
            Self::BackendsMissing { workloads } => format!(
                "backend unavailable: every backend is required and these are not available: {}",
                workloads.join(", ")
            )
            .into(),
            Self::BackendProtocol { workload } => {
                format!("backend unavailable: the answer of backend {workload} is not MCP").into()
            }
            other => other.row().message.into(),
        }
    }

    /// The JSON-RPC error answer. `id`: raw JSON of the request's id, or `null`.
    pub fn body(&self, id: &[u8]) -> Vec<u8> {
        // clients of ToolHive match this body literally (spec 3.5)
        let id = if matches!(self, Self::NotAcceptable) { br#""server-error""# } else { id };
        let mut out = open(id);
        out.extend_from_slice(br#""error":{"code":"#);
        out.extend_from_slice(itoa::Buffer::new().format(self.rpc_code()).as_bytes());
        out.extend_from_slice(br#","message":""#);
        escape(&self.message(), &mut out);
        out.push(b'"');
        self.write_data(&mut out);
        out.extend_from_slice(b"}}");
        out
    }

    /// `error.data`, for what a program can act on.
    fn write_data(&self, out: &mut Vec<u8>) {
        let data = match self {
            Self::CircuitOpen { workload, state, retry_after_ms } => format!(
                r#"{{"backend":{},"state":"{state}","retryAfterMs":{retry_after_ms}}}"#,
                json::quoted(workload)
            ),
            Self::BackendOverloaded { workload } => {
                format!(
                    r#"{{"backend":{},"state":"overloaded","retryAfterMs":1000}}"#,
                    json::quoted(workload)
                )
            }
            Self::BackendsMissing { workloads } => {
                let names: Vec<_> = workloads.iter().map(|w| json::quoted(w)).collect();
                format!(r#"{{"backends":[{}]}}"#, names.join(","))
            }
            _ => return,
        };
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(data.as_bytes());
    }

    /// When to try again, in seconds, for the field `Retry-After` (RFC 9110, 10.2.3).
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Overloaded | Self::BackendOverloaded { .. } => Some(1),
            _ => None,
        }
    }

    /// HTTP status and body that answer `tools/call`: a failing backend is a tool result with `isError`, so that the
    /// model reads it (spec 4.6); all else is [`Fault::body`].
    pub fn call_body(&self, id: &[u8]) -> (u16, Vec<u8>) {
        if !self.is_tool_result() {
            return (self.http_status(), self.body(id));
        }
        let mut out = open(id);
        out.extend_from_slice(br#""result":{"content":[{"type":"text","text":""#);
        escape(&self.message(), &mut out);
        out.extend_from_slice(br#""}],"isError":true"#);
        if let Self::BackendBusy { retry_after_ms: Some(ms), .. } = self {
            out.extend_from_slice(format!(r#","_meta":{{"{RETRY_AFTER}":{ms}}}"#).as_bytes());
        }
        out.extend_from_slice(b"}}");
        (200, out)
    }

    fn is_tool_result(&self) -> bool {
        matches!(
            self,
            Self::BackendUnavailable { .. }
                | Self::BackendTimeout { .. }
                | Self::BackendProtocol { .. }
                | Self::BackendAuthentication { .. }
                | Self::BackendBusy { .. }
        )
    }
}

impl Blame {
    /// Stable lower-case name: metric label, log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Backend => "backend",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Fault {}

fn busy(workload: &str, status: u16, retry_after_ms: Option<u64>) -> String {
    let what = if status == 429 { "too many requests" } else { "temporarily unavailable" };
    let when = retry_after_ms.map_or_else(String::new, |ms| format!("; try again in {ms} ms"));
    format!("backend unavailable: backend {workload} answered {status} ({what}){when}")
}

/// The beginning that every answer shares.
fn open(id: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(if id.is_empty() { b"null" } else { id });
    out.push(b',');
    out
}

#[cfg(test)]
mod tests;

//! The MCP messages that the gateway sends to backends by itself.

use super::{Answer, ExchangeError, Link, exchange, exchange_at, write_request};
use crate::backend::BackendState;
use crate::endpoints::{NoPlace, Stay};
use crate::metrics::inc;
use crate::state::Gateway;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::{Duration, Instant};
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tidegate_dataplane_core::token::Binding;

/// Bound of ending a session that could not be opened to the end.
const ABANDON: Duration = Duration::from_secs(1);

/// Endpoints that are asked for one session.
const MAX_TRIED: usize = 3;

/// Most pages of a list that are followed.
const MAX_PAGES: usize = 200;

/// A backend session that was just opened.
pub(crate) struct Opened {
    pub(crate) binding: Binding,
    /// Counts it at its endpoint.
    pub(crate) stay: Stay,
    pub(crate) server_name: String,
    /// It announces changes of its tools on a GET stream.
    pub(crate) announces: bool,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitializeResult {
    protocol_version: String,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default)]
    server_info: ServerInfo,
}

#[derive(Default, Deserialize)]
struct Capabilities {
    tools: Option<Tools>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Tools {
    list_changed: bool,
}

#[derive(Default, Deserialize)]
struct ServerInfo {
    #[serde(default)]
    name: String,
}

/// Opens a session: `initialize` and `notifications/initialized`, at an endpoint that is chosen for it; at another if that
/// one cannot be reached. `client_info`: raw JSON, or empty for the gateway's own. No client capability is offered: requests
/// of a backend to the client are not relayed.
pub(crate) async fn initialize(
    gw: &Gateway,
    b: &BackendState,
    version: ProtocolVersion,
    client_info: &[u8],
    limit: Duration,
) -> Result<Opened, ExchangeError> {
    let own = concat!(r#"{"name":"tidegate","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    let info = std::str::from_utf8(client_info).ok().filter(|i| !i.is_empty()).unwrap_or(own);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{info}}}}}"#,
        version.as_str()
    );
    let request = write_request(b, "POST", Link::default(), body.as_bytes());
    let until = Instant::now() + limit;
    let mut tried = Vec::new();
    let mut stay = b.endpoints.stay(|| gw.random_word(), gw.clock.now(), &tried).ok_or(NoPlace::Empty)?;
    loop {
        tried.push(stay.endpoint().id);
        let left = until.saturating_duration_since(Instant::now());
        let failed = match open_at(gw, b, stay, &request, left).await {
            Err(e) if e.is_of_endpoint() && tried.len() < MAX_TRIED => e,
            said => return said,
        };
        stay = b.endpoints.stay(|| gw.random_word(), gw.clock.now(), &tried).ok_or(failed)?;
    }
}

/// One that takes no session is passed over, whatever the reason, and also when nobody waits for it any more.
struct Attempt<'a>(&'a Gateway, Option<Stay>);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(stay) = &self.1 {
            stay.endpoint().pass_over(self.0.clock.now());
        }
    }
}

async fn open_at(
    gw: &Gateway,
    b: &BackendState,
    stay: Stay,
    request: &[u8],
    limit: Duration,
) -> Result<Opened, ExchangeError> {
    let endpoint = stay.endpoint().clone();
    let mut attempt = Attempt(gw, Some(stay));
    let answer = exchange_at(gw, b, &endpoint, request, limit).await?;
    let result: InitializeResult = serde_json::from_str(result(&answer)?.get()).map_err(not_mcp)?;
    let version = ProtocolVersion::parse(result.protocol_version.as_bytes()).ok_or_else(|| {
        ExchangeError::Protocol(format!("protocol version {:.40} is not supported", result.protocol_version))
    })?;
    inc(&b.shared.stats.sessions_opened);
    let binding = Binding { backend: b.hash, session: answer.session, version, endpoint: Some(endpoint.id) };
    let initialized = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    if let Err(e) = notify(gw, b, Link::to(&binding), initialized, limit).await {
        // the session is there all the same: it is not to stay
        delete(gw, b, Link::to(&binding), limit.min(ABANDON)).await;
        return Err(e);
    }
    let stay = attempt.1.take().ok_or(NoPlace::Gone)?;
    Ok(Opened {
        binding,
        stay,
        server_name: result.server_info.name,
        announces: result.capabilities.tools.is_some_and(|t| t.list_changed),
    })
}

/// All pages of `tools/list`: the `result` objects.
pub(crate) async fn list_tools(
    gw: &Gateway,
    b: &BackendState,
    link: Link<'_>,
    limit: Duration,
) -> Result<Vec<Vec<u8>>, ExchangeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        next_cursor: Option<String>,
    }
    let mut pages = Vec::new();
    let mut params = String::new();
    while pages.len() < MAX_PAGES {
        let id = pages.len() + 2;
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"{params}}}"#);
        let answer = exchange(gw, b, "POST", link, body.as_bytes(), limit).await?;
        let page = result(&answer)?;
        pages.push(page.get().as_bytes().to_vec());
        let Page { next_cursor: Some(cursor) } = serde_json::from_str(page.get()).map_err(not_mcp)? else {
            return Ok(pages);
        };
        let cursor = serde_json::Value::String(cursor);
        params = format!(r#","params":{{"cursor":{cursor}}}"#);
    }
    Err(ExchangeError::Protocol(format!("tools/list has more than {MAX_PAGES} pages")))
}

/// Asks whether the backend is there: any answer of MCP says so.
pub(crate) async fn ping(
    gw: &Gateway,
    b: &BackendState,
    link: Link<'_>,
    limit: Duration,
) -> Result<(), ExchangeError> {
    let answer = exchange(gw, b, "POST", link, br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, limit).await?;
    match answer.status {
        200 => serde_json::from_slice::<Reply<'_>>(&answer.body).map(drop).map_err(not_mcp),
        status => Err(ExchangeError::Status(status)),
    }
}

/// Sends a notification, or a client's answer; the backend says 202 or 200.
pub(crate) async fn notify(
    gw: &Gateway,
    b: &BackendState,
    link: Link<'_>,
    body: &[u8],
    limit: Duration,
) -> Result<(), ExchangeError> {
    let answer = exchange(gw, b, "POST", link, body, limit).await?;
    if answer.status < 300 { Ok(()) } else { Err(ExchangeError::Status(answer.status)) }
}

/// Tells the backend that nobody waits for the request any more. `id`: its raw JSON.
pub(crate) async fn cancel(gw: &Gateway, b: &BackendState, link: Link<'_>, id: &[u8], reason: &str) {
    let id = String::from_utf8_lossy(id);
    let body = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"{reason}"}}}}"#
    );
    inc(&b.shared.stats.cancelled);
    if let Err(e) = notify(gw, b, link, body.as_bytes(), Duration::from_secs(5)).await {
        tracing::debug!(backend = %b.spec.id, error = %e, "cancel not delivered");
    }
}

/// Ends a session. A backend that does not let clients end sessions says 405, which is as good.
pub(crate) async fn delete(gw: &Gateway, b: &BackendState, link: Link<'_>, limit: Duration) {
    if link.session.is_empty() {
        return;
    }
    match exchange(gw, b, "DELETE", link, b"", limit).await {
        Ok(a) if a.status < 300 || matches!(a.status, 404 | 405) => {}
        Ok(a) => tracing::debug!(backend = %b.spec.id, status = a.status, "backend session not ended"),
        Err(e) => tracing::debug!(backend = %b.spec.id, error = %e, "backend session not ended"),
    }
}

fn result(answer: &Answer) -> Result<&RawValue, ExchangeError> {
    if answer.status != 200 {
        return Err(ExchangeError::Status(answer.status));
    }
    let reply: Reply<'_> = serde_json::from_slice(&answer.body).map_err(not_mcp)?;
    match reply {
        Reply { result: Some(r), .. } => Ok(r),
        Reply { error: Some(e), .. } => {
            Err(ExchangeError::Protocol(format!("error {}: {:.200}", e.code, e.message)))
        }
        _ => Err(ExchangeError::Protocol("neither result nor error".into())),
    }
}

fn not_mcp(e: serde_json::Error) -> ExchangeError {
    ExchangeError::Protocol(e.to_string())
}

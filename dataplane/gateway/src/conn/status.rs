//! The documents that say how the backends of a virtual server are: `/status` and `/api/backends/health` (spec 3.2, 3.3).
//! Names and states only: no addresses, no credentials, no raw texts of backends.

use crate::session::lock;
use crate::snapshot::{Member, Server};
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_dataplane_core::health::Health;
use tidegate_proto::table::{OutgoingAuth, Transport};

#[derive(Serialize)]
struct Status<'a> {
    backends: Vec<Backend<'a>>,
    /// At least one backend is strictly healthy.
    healthy: bool,
    version: &'static str,
    group_ref: &'a str,
}

#[derive(Serialize)]
struct Backend<'a> {
    name: &'a str,
    health: &'static str,
    transport: &'static str,
    auth_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    mcp_revision: String,
}

/// Keys as ToolHive writes them.
#[derive(Serialize)]
struct Healths<'a> {
    monitoring_enabled: bool,
    summary: Summary,
    backends: BTreeMap<&'a str, State>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    total: usize,
    healthy: usize,
    degraded: usize,
    unhealthy: usize,
    unknown: usize,
    unauthenticated: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: &'static str,
    consecutive_failures: u32,
    /// RFC 3339; empty: never.
    last_check_time: String,
    last_error_category: String,
    circuit_state: &'static str,
    circuit_last_changed: String,
    #[serde(rename = "MCPRevision")]
    mcp_revision: String,
}

/// `/status`
pub(super) fn status(server: &Server) -> Vec<u8> {
    let backends: Vec<_> = server.members.iter().map(|m| backend(m)).collect();
    let healthy = backends.iter().any(|b| b.health == Health::Healthy.as_str());
    let version = env!("CARGO_PKG_VERSION");
    json(&Status { healthy, version, group_ref: &server.spec.group, backends })
}

/// `/api/backends/health`
pub(super) fn health(server: &Server) -> Vec<u8> {
    let mut summary = Summary { total: server.members.len(), ..Summary::default() };
    let backends = server.members.iter().map(|m| (&*m.workload, state(m, &mut summary))).collect();
    json(&Healths { monitoring_enabled: true, summary, backends })
}

fn backend(m: &Member) -> Backend<'_> {
    Backend {
        name: &m.workload,
        health: m.standing.view(m.probed).health.as_str(),
        transport: match m.backend.spec.transport {
            Transport::StreamableHttp => "streamable-http",
            Transport::Sse => "sse",
        },
        auth_type: match m.backend.spec.outgoing_auth {
            OutgoingAuth::Unauthenticated => "unauthenticated",
            _ => "unknown",
        },
        mcp_revision: revision(m),
    }
}

fn revision(m: &Member) -> String {
    lock(&m.backend.shared.view).protocol_version.clone()
}

fn state(m: &Member, summary: &mut Summary) -> State {
    let view = m.standing.view(m.probed);
    let count = match view.health {
        Health::Healthy => &mut summary.healthy,
        Health::Degraded => &mut summary.degraded,
        Health::Unhealthy => &mut summary.unhealthy,
        Health::Unauthenticated => &mut summary.unauthenticated,
        Health::Unknown => &mut summary.unknown,
    };
    *count += 1;
    State {
        status: view.health.as_str(),
        consecutive_failures: view.failures,
        last_check_time: rfc3339(view.checked_unix_ms),
        last_error_category: if view.failures > 0 { view.message } else { String::new() },
        circuit_state: view.breaker.map_or("", |b| b.position.as_str()),
        circuit_last_changed: view.breaker.map_or_else(String::new, |b| rfc3339(b.changed_unix_ms)),
        mcp_revision: revision(m),
    }
}

fn rfc3339(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().filter(|ms| *ms > 0).map(jiff::Timestamp::from_millisecond);
    time.and_then(Result::ok).map_or_else(String::new, |t| t.to_string())
}

fn json(document: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(document) {
        Ok(bytes) => bytes,
        Err(e) => {
            tracing::error!(error = %e, "status not written");
            b"{}".to_vec()
        }
    }
}

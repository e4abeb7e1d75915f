//! What the node reports upward: the state of backends, and the tools of virtual servers. Only what changed
//! since the last report goes out; a new stream starts with everything (the push client sees to that).

use crate::backend::{BackendState, Reach};
use crate::session::lock;
use crate::snapshot::{Member, Server};
use crate::state::Gateway;
use tidegate_dataplane_core::breaker::Position;
use tidegate_dataplane_core::health::Health;
use tidegate_proto::wire;

/// Most tools of one virtual server that a report names.
const MAX_TOOLS: usize = 2_000;

impl Gateway {
    /// Everything, as a complete report.
    pub(crate) fn report(&self, listen: &str) -> wire::Report {
        let snapshot = self.snapshot();
        wire::Report {
            backends: snapshot.backends.values().map(|b| backend(b)).collect(),
            virtual_servers: snapshot.servers.iter().map(|s| self.server_state(s, listen)).collect(),
            ..wire::Report::default()
        }
    }

    fn server_state(&self, s: &Server, listen: &str) -> wire::VirtualServerState {
        let own = s.spec.listen.iter().map(|a| format!("http://{}/mcp", self.ports.local(*a)));
        let shared = format!("{listen}/{}/{}/mcp", s.id().namespace, s.id().name);
        let tools = s.catalog.tools().take(MAX_TOOLS).map(|t| wire::ExposedTool {
            name: t.exposed.as_ref().into(),
            backend: s.members[usize::from(t.member)].workload.as_ref().into(),
            native_name: t.native.as_ref().into(),
            description: t.description.as_ref().into(),
        });
        wire::VirtualServerState {
            id: s.id().to_string(),
            urls: own.chain([shared]).collect(),
            tools: tools.collect(),
            conflicts: s.catalog.conflicts().to_vec(),
            members: s.members.iter().map(|m| member(m)).collect(),
        }
    }
}

fn backend(b: &BackendState) -> wire::BackendState {
    let view = lock(&b.shared.view).clone();
    let users = b.shared.users.load();
    let judged =
        users.iter().filter(|m| m.probed).map(|m| m.standing.health()).find(|h| *h != Health::Unknown);
    let health = match (judged, b.shared.reach()) {
        // one failure is not the end of a backend that was well: the thresholds decide
        (Some(judged), _) => health(judged),
        (None, Reach::Unknown) => wire::BackendHealth::Unknown,
        (None, Reach::Up) => wire::BackendHealth::Healthy,
        (None, Reach::Down) => wire::BackendHealth::Unhealthy,
        (None, Reach::Unauthenticated) => wire::BackendHealth::Unauthenticated,
    };
    let tools = b.shared.contribution.load().as_ref().map_or(0, |c| c.len());
    wire::BackendState {
        id: b.spec.id.as_str().into(),
        health: health.into(),
        message: view.message,
        tools: u32::try_from(tools).unwrap_or(u32::MAX),
        protocol_version: view.protocol_version,
        server_name: view.server_name,
        checked_unix_ms: view.checked_unix_ms,
    }
}

fn health(h: Health) -> wire::BackendHealth {
    match h {
        Health::Unknown => wire::BackendHealth::Unknown,
        Health::Healthy => wire::BackendHealth::Healthy,
        Health::Degraded => wire::BackendHealth::Degraded,
        Health::Unhealthy => wire::BackendHealth::Unhealthy,
        Health::Unauthenticated => wire::BackendHealth::Unauthenticated,
    }
}

fn member(m: &Member) -> wire::MemberState {
    let view = m.standing.view(m.probed);
    let breaker = match view.breaker.map(|b| b.position) {
        None => wire::BreakerState::Unspecified,
        Some(Position::Closed) => wire::BreakerState::Closed,
        Some(Position::Open) => wire::BreakerState::Open,
        Some(Position::HalfOpen) => wire::BreakerState::HalfOpen,
    };
    wire::MemberState {
        workload: m.workload.as_ref().into(),
        health: health(view.health).into(),
        message: view.message,
        breaker: breaker.into(),
        breaker_changed_unix_ms: view.breaker.map_or(0, |b| b.changed_unix_ms),
        consecutive_failures: view.failures.max(view.breaker.map_or(0, |b| b.failures)),
        checked_unix_ms: view.checked_unix_ms,
        probed: m.probed,
    }
}

//! Status of MCPServers and MCPRemoteProxies (spec 1.2, 1.3). There are no pods: one is ready when it answers the nodes.

use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile::{ObjectStatus, Phase};
use tidegate_proto::table::BackendId;
use tidegate_proto::wire::{BackendHealth, BackendState};

use super::Status;
use super::facts::Facts;

pub(super) fn status(facts: &Facts<'_>, object: &ObjectRef, compiled: &ObjectStatus) -> Status {
    let mut status = Status::of(compiled);
    if compiled.phase == Phase::FromHealth {
        let id = BackendId::resource(&object.namespace, object.kind.as_str(), &object.name);
        let remote = object.kind == Kind::McpRemoteProxy;
        (status.phase, status.message) = match facts.backend(&id) {
            Some(_) => phase(facts.reported.of_backend(id.as_str()), remote),
            None => ("Pending", "It is in no group, so that no gateway serves it".to_owned()),
        };
    }
    let ready = status.phase == "Ready";
    let message = status.message.clone();
    status.set("Ready", ready, if ready { "Ready" } else { "NotReady" }, message);
    status
}

fn phase(state: Option<&BackendState>, remote: bool) -> (&'static str, String) {
    let health = state.map_or(BackendHealth::Unknown, BackendState::health);
    let said = |fallback: &str| match state {
        Some(state) if !state.message.is_empty() => state.message.clone(),
        _ => fallback.to_owned(),
    };
    match health {
        BackendHealth::Healthy => ("Ready", said("MCP server is running")),
        BackendHealth::Degraded => ("Ready", said("MCP server is running, slowly")),
        BackendHealth::Unauthenticated => {
            ("Ready", said("MCP server is running and requires authentication"))
        }
        BackendHealth::Unhealthy => ("Failed", said("MCP server does not answer")),
        BackendHealth::Unknown | BackendHealth::Unspecified if remote => {
            ("Ready", said("Remote MCP server, not probed"))
        }
        BackendHealth::Unknown | BackendHealth::Unspecified => {
            ("Pending", said("Waiting for the first health check"))
        }
    }
}

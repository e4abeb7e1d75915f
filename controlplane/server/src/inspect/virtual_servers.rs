//! Virtual servers as people see them.

use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_proto::table::VirtualServerId;
use tidegate_proto::wire::{self, VirtualServerView};

use super::condition;
use crate::status::facts::Facts;
use crate::status::{Breaker, DiscoveredBackend, Status, Statuses};

/// All of them, by namespace and name: also those that are not served.
pub(super) fn views(facts: &Facts<'_>, statuses: &Statuses) -> Vec<VirtualServerView> {
    let named = statuses.iter().filter(|(object, _)| object.kind == Kind::VirtualMcpServer);
    named.map(|(object, status)| view(facts, object, status)).collect()
}

fn view(facts: &Facts<'_>, object: &ObjectRef, status: &Status) -> VirtualServerView {
    let id = VirtualServerId::new(&object.namespace, &object.name);
    let mut view = VirtualServerView {
        namespace: object.namespace.to_string(),
        name: object.name.to_string(),
        phase: status.phase.to_owned(),
        message: status.message.clone(),
        service_url: status.url.clone().unwrap_or_default(),
        observed_generation: status.observed_generation.unwrap_or_default(),
        conditions: status.conditions.iter().map(condition).collect(),
        ..VirtualServerView::default()
    };
    if let Some(serving) = &status.serving {
        view.backend_count = u32::try_from(serving.backend_count).unwrap_or(u32::MAX);
        view.discovered = serving.backends.iter().map(discovered).collect();
    }
    if let Some(server) = facts.virtual_server(&id) {
        view.group.clone_from(&server.group);
        view.workloads = server.members.iter().map(|m| m.workload.clone()).collect();
        view.backend_ids = server.members.iter().map(|m| m.backend.to_string()).collect();
    }
    if let Some(served) = facts.reported.of_virtual_server(&id.to_string()) {
        view.urls = served.urls.iter().map(ToString::to_string).collect();
        view.tools = served.tools().cloned().collect();
        view.conflicts = served.conflicts.iter().map(ToString::to_string).collect();
    }
    view
}

fn discovered(backend: &DiscoveredBackend) -> wire::DiscoveredBackend {
    wire::DiscoveredBackend {
        name: backend.name.clone(),
        url: backend.url.clone(),
        status: backend.status.as_str().to_owned(),
        auth_config_ref: backend.auth_config_ref.clone().unwrap_or_default(),
        auth_type: backend.auth_type.to_owned(),
        message: backend.message.clone(),
        checked_unix_ms: backend.checked_unix_ms,
        breaker: backend.breaker.map_or("", Breaker::as_str).to_owned(),
        breaker_changed_unix_ms: backend.breaker_changed_unix_ms,
        consecutive_failures: backend.consecutive_failures,
        mcp_revision: backend.mcp_revision.clone(),
    }
}

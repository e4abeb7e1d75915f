//! Virtual servers as people see them.

use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile as compile;
use tidegate_proto::table::{EntryKey, Locality, VirtualServer, VirtualServerId};
use tidegate_proto::wire::{BackendHealth, BackendState, VirtualServerView};

use super::Facts;
use super::phase::{MemberHealth, Situation, phase};

/// All of them, by namespace and name: also those that are not served.
pub(super) fn views(facts: &Facts<'_>) -> Vec<VirtualServerView> {
    let named = facts.statuses().filter(|(object, _)| object.kind == Kind::VirtualMcpServer);
    named.map(|(object, status)| view(facts, object, status)).collect()
}

fn view(facts: &Facts<'_>, object: &ObjectRef, status: &compile::ObjectStatus) -> VirtualServerView {
    let id = VirtualServerId::new(&object.namespace, &object.name);
    let published = facts.virtual_server(&id);
    let (phase, message) = phase(&situation(facts, &id, status, published));
    let mut view = VirtualServerView {
        namespace: object.namespace.to_string(),
        name: object.name.to_string(),
        phase: phase.as_str().to_owned(),
        message,
        ..VirtualServerView::default()
    };
    match published {
        Some(server) => {
            view.group.clone_from(&server.group);
            view.workloads = server.members.iter().map(|m| m.workload.clone()).collect();
            view.backend_ids = server.members.iter().map(|m| m.backend.to_string()).collect();
        }
        None => view.workloads = status.discovered.iter().map(|d| d.name.clone()).collect(),
    }
    view.backend_count = u32::try_from(view.workloads.len()).unwrap_or(u32::MAX);
    if let Some(served) = facts.reported.of_virtual_server(&id.to_string()) {
        view.urls = served.urls.iter().map(ToString::to_string).collect();
        view.tools = served.tools.values().copied().cloned().collect();
        view.conflicts = served.conflicts.iter().map(ToString::to_string).collect();
    }
    view
}

fn situation<'a>(
    facts: &'a Facts<'_>,
    id: &VirtualServerId,
    status: &'a compile::ObjectStatus,
    published: Option<&VirtualServer>,
) -> Situation<'a> {
    let reason = status.message.as_str();
    let withheld = facts.withheld(&EntryKey::VirtualServer(id.clone()));
    Situation {
        refused: (status.phase == compile::Phase::Failed).then_some(reason).or_else(|| {
            withheld.map(|w| w.reason.as_str()).filter(|_| status.phase != compile::Phase::Pending)
        }),
        waiting: (status.phase == compile::Phase::Pending).then_some(reason),
        published: published.is_some(),
        // Between an edit and its verdicts no node is current; those that served it before still do.
        served: facts.any_current || facts.reported.of_virtual_server(&id.to_string()).is_some(),
        members: published.map(|server| members(facts, server)).unwrap_or_default(),
    }
}

fn members(facts: &Facts<'_>, server: &VirtualServer) -> Vec<MemberHealth> {
    let health = |member: &tidegate_proto::table::Member| {
        let state = facts.reported.of_backend(member.backend.as_str());
        let remote = facts.backend(&member.backend).is_some_and(|b| b.locality == Locality::Remote);
        MemberHealth {
            health: state.map_or(BackendHealth::Unknown, BackendState::health),
            unprobed: remote && !server.health.probe_remote,
        }
    };
    server.members.iter().map(health).collect()
}

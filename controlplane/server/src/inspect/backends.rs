//! Backends as people see them.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile::{GroupMembers, ObjectStatus, Phase};
use tidegate_proto::table::{Backend, BackendId, EntryKey, Transport};
use tidegate_proto::wire::{BackendState, BackendView};

use super::condition;
use crate::status::Statuses;
use crate::status::facts::{Facts, url};

/// All of them, by identity: those of the table, and objects that are not in it.
pub(super) fn views(facts: &Facts<'_>, statuses: &Statuses) -> Vec<BackendView> {
    let groups = groups(facts);
    let objects: BTreeMap<BackendId, (&ObjectRef, &ObjectStatus)> = facts
        .statuses()
        .filter(|(object, _)| Kind::BACKENDS.contains(&object.kind))
        .map(|(object, status)| (backend_id(object), (object, &**status)))
        .collect();
    let published = facts.table().into_iter().flat_map(|table| table.backends());
    let ids: BTreeSet<&BackendId> = published.map(|b| &b.id).chain(objects.keys()).collect();
    ids.into_iter()
        .map(|id| {
            let mut view = view(facts, id, objects.get(id).copied());
            view.group = groups.get(id.as_str()).map(ToString::to_string).unwrap_or_default();
            let status = objects.get(id).and_then(|(object, _)| statuses.get(*object));
            view.conditions = status.iter().flat_map(|s| &s.conditions).map(condition).collect();
            view
        })
        .collect()
}

fn view(facts: &Facts<'_>, id: &BackendId, object: Option<(&ObjectRef, &ObjectStatus)>) -> BackendView {
    let (namespace, kind, name) = match object {
        Some((object, _)) => (object.namespace.to_string(), object.kind.as_str(), object.name.to_string()),
        None => from_id(id),
    };
    let published = facts.backend(id);
    let state = facts.reported.of_backend(id.as_str()).cloned();
    let url = published.map(url).or_else(|| object?.1.url.clone()).unwrap_or_default();
    BackendView {
        id: id.to_string(),
        namespace,
        name,
        kind: kind.to_owned(),
        url,
        transport: published.map(transport).unwrap_or_default().to_owned(),
        group: String::new(),
        message: message(facts, id, object.map(|(_, status)| status), state.as_ref()),
        state,
        published: published.is_some(),
        conditions: Vec::new(),
    }
}

/// What is wrong with the object comes before what is wrong with the server.
fn message(
    facts: &Facts<'_>,
    id: &BackendId,
    status: Option<&ObjectStatus>,
    state: Option<&BackendState>,
) -> String {
    if let Some(withheld) = facts.withheld(&EntryKey::Backend(id.clone())) {
        return withheld.reason.clone();
    }
    match (status, state) {
        (Some(status), _) if status.phase == Phase::Failed => status.message.clone(),
        (_, Some(state)) => state.message.clone(),
        (Some(status), None) => status.message.clone(),
        (None, None) => String::new(),
    }
}

fn transport(backend: &Backend) -> &'static str {
    match backend.transport {
        Transport::StreamableHttp => "streamable-http",
        Transport::Sse => "sse",
    }
}

fn backend_id(object: &ObjectRef) -> BackendId {
    BackendId::resource(&object.namespace, object.kind.as_str(), &object.name)
}

/// `namespace/inline/virtual-server/name`; held backends of objects that are gone read alike.
fn from_id(id: &BackendId) -> (String, &'static str, String) {
    let (namespace, rest) = id.as_str().split_once('/').unwrap_or(("", id.as_str()));
    let name = rest.rsplit('/').next().unwrap_or(rest);
    (namespace.to_owned(), "inline", name.to_owned())
}

/// The group of each backend by identity.
fn groups<'a>(facts: &Facts<'a>) -> BTreeMap<String, &'a str> {
    let mut groups = BTreeMap::new();
    for (object, status) in facts.statuses() {
        let Some(GroupMembers { servers, remote_proxies, entries }) = &status.members else { continue };
        let kinds = [
            (Kind::McpServer, servers),
            (Kind::McpRemoteProxy, remote_proxies),
            (Kind::McpServerEntry, entries),
        ];
        for (kind, names) in kinds {
            for name in names {
                let id = BackendId::resource(&object.namespace, kind.as_str(), name);
                groups.insert(id.to_string(), &*object.name);
            }
        }
    }
    groups
}

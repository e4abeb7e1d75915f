//! MCPGroups and who is in them (spec 2.1). In a directory every group that can be read is Ready, empty ones too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef};

use crate::compiled::{Condition, GroupMembers, ObjectStatus, Phase};
use crate::draft::Draft;
use crate::view::ClusterView;

/// Groups by namespace and name.
pub(crate) type Groups = BTreeMap<(Arc<str>, Arc<str>), Group>;

/// The backends that name a group; sorted by kind and name.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) exists: bool,
    /// It is being deleted.
    pub(crate) deleting: bool,
    pub(crate) members: BTreeSet<ObjectRef>,
}

/// Who refers to which group, whether it exists or not.
pub(crate) fn index(view: &ClusterView) -> Groups {
    let mut groups = Groups::new();
    for object in view.names().filter(|object| object.kind == Kind::McpGroup) {
        let group = groups.entry(key(object, &object.name)).or_default();
        group.exists = true;
        group.deleting = view.get(object).is_some_and(|document| document.is_deleting());
    }
    for document in Kind::BACKENDS.into_iter().flat_map(|kind| view.of_kind(kind)) {
        if let Some(group) = group_of(document) {
            let group = groups.entry(key(&document.object_ref, group)).or_default();
            group.members.insert(document.object_ref.clone());
        }
    }
    groups
}

/// The group that a backend names.
pub(crate) fn group_of(document: &Document) -> Option<&str> {
    match &document.object {
        Object::Server(server) => server.spec.group_ref.as_ref().map(|group| group.name.as_str()),
        Object::RemoteProxy(proxy) => proxy.spec.group_ref.as_ref().map(|group| group.name.as_str()),
        Object::Entry(entry) => Some(&entry.spec.group_ref.name),
        _ => None,
    }
}

/// The group of that name in the referrer's namespace, if it exists.
pub(crate) fn find<'a>(groups: &'a Groups, referrer: &ObjectRef, name: &str) -> Option<&'a Group> {
    groups.get(&key(referrer, name)).filter(|group| group.exists)
}

fn key(referrer: &ObjectRef, name: &str) -> (Arc<str>, Arc<str>) {
    (Arc::clone(&referrer.namespace), name.into())
}

/// Status of the groups.
pub(crate) fn report(view: &ClusterView, groups: &Groups, draft: &mut Draft) {
    for document in view.of_kind(Kind::McpGroup) {
        let object = &document.object_ref;
        let members = find(groups, object, &object.name).map(|group| &group.members);
        let named = |kind| {
            let members = members.into_iter().flatten().filter(move |member| member.kind == kind);
            members.map(|member| member.name.to_string()).collect()
        };
        let status = ObjectStatus {
            conditions: vec![Condition::of(
                "MCPServersChecked",
                true,
                "ListMCPServersCheckSucceeded",
                "the members are listed",
            )],
            members: Some(GroupMembers {
                servers: named(Kind::McpServer),
                remote_proxies: named(Kind::McpRemoteProxy),
                entries: named(Kind::McpServerEntry),
            }),
            ..ObjectStatus::new(Phase::Ready, "")
        };
        draft.status.insert(object.clone(), status);
    }
}

//! MCPGroups and who is in them (spec 2.1). In a directory every group that can be read is Ready, empty ones too.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef};

use crate::compiled::{Condition, Finalizer, GroupMembers, ObjectStatus, Phase};
use crate::memo::Same;
use crate::named::Named;
use crate::piece::Piece;
use crate::view::ClusterView;

/// Groups by namespace and name.
pub(crate) type Groups = Named<Arc<Group>>;

/// The backends that name a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) exists: bool,
    /// It is being deleted.
    pub(crate) deleting: bool,
    /// Sorted by name.
    pub(crate) members: BTreeSet<Member>,
}

/// A backend of a group, sorted by name, then by kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    name: Arc<str>,
    pub(crate) object: ObjectRef,
}

/// How a group stands that somebody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Missing,
    Deleting,
    There,
}

/// All that a group is compiled from.
#[derive(Debug, PartialEq)]
pub(crate) struct Inputs {
    document: Same<Document>,
    group: Option<Arc<Group>>,
    in_cluster: bool,
}

/// What the index is made of.
pub(crate) const KINDS: [Kind; 4] =
    [Kind::McpGroup, Kind::McpServer, Kind::McpRemoteProxy, Kind::McpServerEntry];

/// Who refers to which group, whether it exists or not.
pub(crate) fn index(view: &ClusterView) -> Groups {
    let mut groups: Named<Group> = Named::default();
    for object in view.names(&[Kind::McpGroup]) {
        let group = groups.entry(&object.namespace, &object.name);
        group.exists = true;
        group.deleting = view.get(object).is_some_and(|document| document.is_deleting());
    }
    for document in Kind::BACKENDS.into_iter().flat_map(|kind| view.of_kind(kind)) {
        if let Some(group) = group_of(document) {
            let object = document.object_ref.clone();
            let group = groups.entry(&object.namespace, group);
            group.members.insert(Member { name: Arc::clone(&object.name), object });
        }
    }
    groups.map(Arc::new)
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

/// How the group of that name in the referrer's namespace stands.
pub(crate) fn standing(groups: &Groups, referrer: &ObjectRef, name: &str) -> Standing {
    match groups.get(&referrer.namespace, name) {
        Some(group) if group.exists && group.deleting => Standing::Deleting,
        Some(group) if group.exists => Standing::There,
        _ => Standing::Missing,
    }
}

impl Inputs {
    /// All that a group is compiled from.
    pub(crate) fn of(document: &Arc<Document>, view: &ClusterView, groups: &Groups) -> Self {
        let object = &document.object_ref;
        let group = groups.get(&object.namespace, &object.name).cloned();
        Self { document: Same(Arc::clone(document)), group, in_cluster: view.cluster().is_some() }
    }

    /// The status of a group. It stays until its members have been told that it goes (spec 2.1).
    pub(crate) fn compile(&self) -> Piece {
        let mut piece = Piece::default();
        let members = self.group.as_ref().map(|group| &group.members);
        let named = |kind| {
            let members = members.into_iter().flatten().filter(move |member| member.object.kind == kind);
            members.map(|member| member.name.to_string()).collect()
        };
        piece.set_status(ObjectStatus {
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
        });
        if self.in_cluster {
            let hold = members.is_some_and(|members| !members.is_empty()) && !self.document.is_deleting();
            piece.finalizer = Some(Finalizer { name: "toolhive.stacklok.dev/mcpgroup-finalizer", hold });
        }
        piece.observe(&self.document);
        piece
    }
}

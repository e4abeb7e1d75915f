//! What virtual servers and backends refer to: configurations and definitions of composite tools (spec 1.6 to 1.11, 1.15).
//! Each gets a status; while something refers to it, its deletion is held. Nothing here is served yet.

mod composite;
mod config;
mod cycles;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_controlplane_api::{Kind, ObjectRef};

use crate::compiled::{Condition, ConditionStatus, Finalizer, ObjectStatus, Phase};
use crate::draft::Draft;
use crate::view::ClusterView;

use references::Reference;

/// Who refers to what, both in order.
type Referrers = BTreeMap<ObjectRef, BTreeSet<ObjectRef>>;

/// Statuses of what is referred to, conditions of what refers, and what holds deletion. In a cluster only: a directory has
/// no status of these kinds.
pub(crate) fn report(view: &ClusterView, draft: &mut Draft) {
    if view.cluster().is_none() {
        return;
    }
    let mut referrers = Referrers::new();
    let mut found: Vec<(&ObjectRef, Vec<Reference>)> = Vec::new();
    for document in REFERRING.into_iter().flat_map(|kind| view.of_kind(kind)) {
        let references = references::of(document);
        for reference in &references {
            let of = referrers.entry(reference.target.clone()).or_default();
            of.insert(document.object_ref.clone());
        }
        found.push((&document.object_ref, references));
    }
    report_shared(view, &referrers, draft);
    for (object, references) in &found {
        references::report(view, object, references, draft);
    }
    hold_groups(view, draft);
    release_foreign(view, draft);
}

const REFERRING: [Kind; 4] =
    [Kind::McpServer, Kind::McpRemoteProxy, Kind::McpServerEntry, Kind::VirtualMcpServer];

fn report_shared(view: &ClusterView, referrers: &Referrers, draft: &mut Draft) {
    let none = BTreeSet::new();
    for (kind, finalizer) in SHARED {
        for document in view.of_kind(kind) {
            let object = &document.object_ref;
            let by = referrers.get(object).unwrap_or(&none);
            let mut status = match kind {
                Kind::VirtualMcpCompositeToolDefinition => composite::status(document, by),
                _ => config::status(document),
            };
            if let Some(name) = finalizer {
                // an object to which nothing refers can go, whether the control plane runs or not
                draft.compiled.finalizers.insert(object.clone(), Finalizer { name, hold: !by.is_empty() });
                if document.is_deleting() && !by.is_empty() {
                    let names: Vec<_> = by.iter().map(ToString::to_string).collect();
                    let message = format!("Cannot delete: referenced by {}", names.join(", "));
                    status.conditions.push(Condition::of(
                        "DeletionBlocked",
                        true,
                        "ReferencedByWorkloads",
                        message,
                    ));
                }
            }
            draft.status.insert(object.clone(), status);
        }
    }
}

/// The kinds, with the finalizers of the original.
const SHARED: [(Kind, Option<&str>); 6] = [
    (Kind::VirtualMcpCompositeToolDefinition, None),
    (Kind::McpOidcConfig, Some("mcpoidcconfig.toolhive.stacklok.dev/finalizer")),
    (Kind::McpExternalAuthConfig, Some("mcpexternalauthconfig.toolhive.stacklok.dev/finalizer")),
    (Kind::McpAuthzConfig, Some("mcpauthzconfig.toolhive.stacklok.dev/finalizer")),
    (Kind::McpToolConfig, Some("toolhive.stacklok.dev/toolconfig-finalizer")),
    (Kind::McpTelemetryConfig, Some("mcptelemetryconfig.toolhive.stacklok.dev/finalizer")),
];

/// A group stays until its members have been told that it goes (spec 2.1).
fn hold_groups(view: &ClusterView, draft: &mut Draft) {
    for document in view.of_kind(Kind::McpGroup) {
        let object = &document.object_ref;
        let members = draft.status.get(object).and_then(|status| status.members.as_ref());
        let has_members = members.is_some_and(|members| {
            !members.servers.is_empty() || !members.remote_proxies.is_empty() || !members.entries.is_empty()
        });
        let name = "toolhive.stacklok.dev/mcpgroup-finalizer";
        let hold = has_members && !document.is_deleting();
        draft.compiled.finalizers.insert(object.clone(), Finalizer { name, hold });
    }
}

/// What the original's controllers hold, who do not run any more.
fn release_foreign(view: &ClusterView, draft: &mut Draft) {
    const NAME: &str = "mcpserver.toolhive.stacklok.dev/finalizer";
    for document in view.of_kind(Kind::McpServer) {
        if document.object.metadata().finalizers.iter().any(|finalizer| finalizer == NAME) {
            let finalizer = Finalizer { name: NAME, hold: false };
            draft.compiled.finalizers.insert(document.object_ref.clone(), finalizer);
        }
    }
}

/// A status of a kind that has no phase.
fn status_of(conditions: Vec<Condition>) -> ObjectStatus {
    ObjectStatus { phase: Phase::None, conditions, ..ObjectStatus::default() }
}

/// Whether what is referred to is there, and in order.
enum Standing {
    InOrder,
    Missing,
    Invalid,
}

fn standing(view: &ClusterView, target: &ObjectRef, draft: &Draft) -> Standing {
    let invalid = |status: &ObjectStatus| {
        let is = |condition: &Condition| matches!(condition.r#type.as_str(), "Valid" | "WorkflowValidated");
        status.conditions.iter().any(|found| is(found) && found.status == ConditionStatus::False)
    };
    match draft.status.get(target) {
        Some(status) if invalid(status) => Standing::Invalid,
        _ if view.get(target).is_none() => Standing::Missing,
        _ => Standing::InOrder,
    }
}

//! What virtual servers and backends refer to: configurations and definitions of composite tools (spec 1.6 to 1.11, 1.15).
//! Each gets a status; while something refers to it, its deletion is held. Nothing here is served yet.

mod composite;
mod config;
mod cycles;
mod materials;
mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, ObjectRef};

use crate::compiled::{Condition, ConditionStatus, Finalizer, ObjectStatus, Phase};
use crate::memo::{Memo, Same};
use crate::piece::Piece;
use crate::view::ClusterView;

pub(crate) use materials::Materials;
pub(crate) use references::References;

/// Who refers to what, both in order.
pub(crate) type Referrers = BTreeMap<ObjectRef, Arc<BTreeSet<ObjectRef>>>;

/// What refers.
pub(crate) const REFERRING: [Kind; 4] =
    [Kind::McpServer, Kind::McpRemoteProxy, Kind::McpServerEntry, Kind::VirtualMcpServer];

/// What is referred to, in order.
const KINDS: [Kind; 6] = [
    Kind::VirtualMcpCompositeToolDefinition,
    Kind::McpOidcConfig,
    Kind::McpExternalAuthConfig,
    Kind::McpAuthzConfig,
    Kind::McpToolConfig,
    Kind::McpTelemetryConfig,
];

/// The kinds that are referred to and have a status: none in a directory.
pub(crate) fn kinds(view: &ClusterView) -> &'static [Kind] {
    if view.cluster().is_some() { &KINDS } else { &[] }
}

/// What holds the deletion of an object of this kind; the original's.
fn finalizer(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::McpOidcConfig => "mcpoidcconfig.toolhive.stacklok.dev/finalizer",
        Kind::McpExternalAuthConfig => "mcpexternalauthconfig.toolhive.stacklok.dev/finalizer",
        Kind::McpAuthzConfig => "mcpauthzconfig.toolhive.stacklok.dev/finalizer",
        Kind::McpToolConfig => "toolhive.stacklok.dev/toolconfig-finalizer",
        Kind::McpTelemetryConfig => "mcptelemetryconfig.toolhive.stacklok.dev/finalizer",
        _ => return None,
    })
}

/// All that an object is compiled from to which others refer.
#[derive(Debug, PartialEq)]
pub(crate) struct Inputs {
    document: Same<Document>,
    referrers: Option<Arc<BTreeSet<ObjectRef>>>,
}

/// Whether what is referred to is there, and in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    InOrder,
    Missing,
    Invalid,
}

/// What an object refers to.
pub(crate) fn targets(document: &Document) -> BTreeSet<ObjectRef> {
    references::of(document).into_iter().map(|reference| reference.target).collect()
}

/// Who refers to what. In a cluster only: a directory has no status of these kinds.
pub(crate) fn referrers(view: &ClusterView) -> Referrers {
    let mut referrers: BTreeMap<ObjectRef, BTreeSet<ObjectRef>> = BTreeMap::new();
    let documents = REFERRING.into_iter().flat_map(|kind| view.of_kind(kind));
    for document in documents.filter(|_| view.cluster().is_some()) {
        for target in targets(document) {
            referrers.entry(target).or_default().insert(document.object_ref.clone());
        }
    }
    referrers.into_iter().map(|(target, by)| (target, Arc::new(by))).collect()
}

impl Inputs {
    /// All that an object is compiled from.
    pub(crate) fn of(document: &Arc<Document>, referrers: &Referrers) -> Self {
        let referrers = referrers.get(&document.object_ref).cloned();
        Self { document: Same(Arc::clone(document)), referrers }
    }

    /// Its status, and what holds its deletion.
    pub(crate) fn compile(&self) -> Piece {
        let (mut piece, none) = (Piece::default(), BTreeSet::new());
        let by = self.referrers.as_deref().unwrap_or(&none);
        piece.set_status(match self.document.object_ref.kind {
            Kind::VirtualMcpCompositeToolDefinition => composite::status(&self.document, by),
            _ => config::status(&self.document),
        });
        if let Some(name) = finalizer(self.document.object_ref.kind) {
            // an object to which nothing refers can go, whether the control plane runs or not
            piece.finalizer = Some(Finalizer { name, hold: !by.is_empty() });
            if self.document.is_deleting() && !by.is_empty() {
                let names: Vec<_> = by.iter().map(ToString::to_string).collect();
                let message = format!("Cannot delete: referenced by {}", names.join(", "));
                piece.add_conditions([Condition::of(
                    "DeletionBlocked",
                    true,
                    "ReferencedByWorkloads",
                    message,
                )]);
            }
        }
        piece.observe(&self.document);
        piece
    }
}

/// A status of a kind that has no phase.
fn status_of(conditions: Vec<Condition>) -> ObjectStatus {
    ObjectStatus { phase: Phase::None, conditions, ..ObjectStatus::default() }
}

/// How something stands that is referred to.
pub(crate) fn standing(view: &ClusterView, shared: &Memo<Inputs>, target: &ObjectRef) -> Standing {
    let invalid = |status: &ObjectStatus| {
        let is = |condition: &Condition| matches!(condition.r#type.as_str(), "Valid" | "WorkflowValidated");
        status.conditions.iter().any(|found| is(found) && found.status == ConditionStatus::False)
    };
    match shared.get(target).and_then(Piece::status) {
        Some(status) if invalid(status) => Standing::Invalid,
        Some(_) => Standing::InOrder,
        None if view.is_unusable(target) => Standing::Invalid,
        None => Standing::Missing,
    }
}

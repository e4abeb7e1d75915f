//! What there is to compile: every object once, in a fixed order.

pub(crate) mod cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, ObjectRef, Severity, Store};

use crate::compiled::{Condition, Hold, ObjectStatus, Phase};
use crate::draft::Draft;
use cluster::Cluster;

/// The objects of a cluster or directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterView {
    /// Objects that are defined once; of groups defined more often, the first.
    objects: BTreeMap<ObjectRef, Arc<Document>>,
    /// Objects that are defined more than once, with all definitions.
    duplicates: BTreeMap<ObjectRef, Vec<Arc<Document>>>,
    /// Objects that exist, but of which no version could be read.
    unreadable: BTreeSet<ObjectRef>,
    /// What else there is; absent for a directory.
    cluster: Option<Arc<Cluster>>,
}

impl ClusterView {
    /// From documents in any order, and the names of objects whose documents cannot be read.
    pub fn new(
        documents: impl IntoIterator<Item = Arc<Document>>,
        unreadable: impl IntoIterator<Item = ObjectRef>,
    ) -> Self {
        let mut all: BTreeMap<ObjectRef, Vec<Arc<Document>>> = BTreeMap::new();
        for document in documents {
            all.entry(document.object_ref.clone()).or_default().push(document);
        }
        let mut view = Self::default();
        for (object, mut documents) in all {
            documents.sort_by_cached_key(|document| document.locate(""));
            if documents.len() == 1 || object.kind == Kind::McpGroup {
                view.objects.insert(object.clone(), Arc::clone(&documents[0]));
            }
            if documents.len() > 1 {
                view.duplicates.insert(object, documents);
            }
        }
        let known = |object: &ObjectRef| view.objects.contains_key(object);
        view.unreadable = unreadable.into_iter().filter(|object| !known(object)).collect();
        view
    }

    /// From the documents of an API server, which has each object once.
    pub fn of_cluster(
        documents: impl IntoIterator<Item = Arc<Document>>,
        unreadable: impl IntoIterator<Item = ObjectRef>,
        cluster: Arc<Cluster>,
    ) -> Self {
        let named = |document: Arc<Document>| (document.object_ref.clone(), document);
        let objects: BTreeMap<ObjectRef, Arc<Document>> = documents.into_iter().map(named).collect();
        let unreadable = unreadable.into_iter().filter(|object| !objects.contains_key(object)).collect();
        Self { objects, duplicates: BTreeMap::new(), unreadable, cluster: Some(cluster) }
    }

    /// The present content of a store.
    pub fn of(store: &Store) -> Self {
        Self::new(store.documents().cloned(), store.unreadable().cloned())
    }

    /// With what a cluster holds beside our resources.
    pub fn in_cluster(self, cluster: Arc<Cluster>) -> Self {
        Self { cluster: Some(cluster), ..self }
    }

    /// What the cluster holds beside our resources; none for a directory.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_deref()
    }

    /// The objects of a kind, by namespace and name.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Document>> {
        self.objects.values().filter(move |document| document.object_ref.kind == kind)
    }

    /// One object.
    pub fn get(&self, object: &ObjectRef) -> Option<&Arc<Document>> {
        self.objects.get(object)
    }

    /// Objects that exist, but of which no version could be read.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = &ObjectRef> {
        self.unreadable.iter()
    }

    /// Every object that exists, once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ObjectRef> {
        let others = self.duplicates.keys().filter(|object| !self.objects.contains_key(*object));
        self.objects.keys().chain(others).chain(&self.unreadable)
    }
}

/// An error on every definition of an object that has several, naming the others.
pub(crate) fn report_duplicates(view: &ClusterView, draft: &mut Draft) {
    for (object, documents) in &view.duplicates {
        for document in documents {
            let others: Vec<String> =
                documents.iter().filter(|other| !Arc::ptr_eq(other, document)).map(place).collect();
            let message = format!("{object} is also defined at {}", others.join(" and at "));
            let remedy = "keep one of the definitions, or rename one";
            let field = "metadata.name";
            draft.diagnostics.push(document.diagnose(
                Severity::Error,
                "duplicate-object",
                field,
                message,
                remedy,
            ));
        }
        let places: Vec<String> = documents.iter().map(place).collect();
        let reason = format!("{object} is defined more than once: at {}", places.join(" and at "));
        // groups have nothing to differ in
        if object.kind != Kind::McpGroup {
            withhold(draft, object, "DuplicateObject", reason);
        }
    }
    for object in &view.unreadable {
        withhold(draft, object, "Unreadable", format!("{object} cannot be read"));
    }
}

/// Says of each status which edit of the spec it is about.
pub(crate) fn observe_generations(view: &ClusterView, draft: &mut Draft) {
    for (object, status) in &mut draft.status {
        let generation = view.get(object).map_or(0, |document| document.object.metadata().generation);
        status.observed_generation = Some(generation).filter(|generation| *generation > 0);
    }
}

fn withhold(draft: &mut Draft, object: &ObjectRef, condition: &'static str, reason: String) {
    draft.withhold(object, Hold::KeepPrevious, &reason);
    let phase = if has_phase(object.kind) { Phase::Failed } else { Phase::None };
    let mut status = ObjectStatus::new(phase, &reason);
    status.conditions.push(Condition::of("Valid", false, condition, reason));
    draft.status.insert(object.clone(), status);
}

/// Configurations and definitions have none (spec 1.6 to 1.11).
fn has_phase(kind: Kind) -> bool {
    kind == Kind::McpGroup || kind.is_backend() || kind == Kind::VirtualMcpServer
}

fn place(document: &Arc<Document>) -> String {
    document.locate("metadata.name").map_or_else(|| "the API server".to_owned(), |place| place.to_string())
}

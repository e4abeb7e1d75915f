//! What there is to compile: every object once, in a fixed order.

pub(crate) mod cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, ObjectRef, Severity, Store};

use crate::backend::workload;
use crate::compiled::{Condition, Hold, ObjectStatus, Phase};
use crate::front::{Exposure, Fronts};
use crate::memo::Same;
use crate::piece::Piece;
use cluster::{Cluster, Workload};

/// The objects of one kind.
pub type Objects = BTreeMap<ObjectRef, Arc<Document>>;

/// The objects of a cluster or directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterView {
    /// Objects that are defined once, by kind; of groups defined more often, the first. A kind whose map is the one of another
    /// view did not change between the two.
    objects: BTreeMap<Kind, Arc<Objects>>,
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
        let mut objects: BTreeMap<Kind, Objects> = BTreeMap::new();
        let mut view = Self::default();
        for (object, mut documents) in all {
            documents.sort_by_cached_key(|document| document.locate(""));
            if documents.len() == 1 || object.kind == Kind::McpGroup {
                let of_kind = objects.entry(object.kind).or_default();
                of_kind.insert(object.clone(), Arc::clone(&documents[0]));
            }
            if documents.len() > 1 {
                view.duplicates.insert(object, documents);
            }
        }
        view.objects = objects.into_iter().map(|(kind, objects)| (kind, Arc::new(objects))).collect();
        view.with_unreadable(unreadable)
    }

    /// From the objects of an API server, which has each once.
    pub fn of_cluster(
        objects: BTreeMap<Kind, Arc<Objects>>,
        unreadable: impl IntoIterator<Item = ObjectRef>,
        cluster: Arc<Cluster>,
    ) -> Self {
        Self { objects, cluster: Some(cluster), ..Self::default() }.with_unreadable(unreadable)
    }

    fn with_unreadable(mut self, unreadable: impl IntoIterator<Item = ObjectRef>) -> Self {
        self.unreadable = unreadable.into_iter().filter(|object| self.get(object).is_none()).collect();
        self
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
        self.objects.get(&kind).into_iter().flat_map(|objects| objects.values())
    }

    /// One object.
    pub fn get(&self, object: &ObjectRef) -> Option<&Arc<Document>> {
        self.objects.get(&object.kind)?.get(object)
    }

    /// Every object of some kinds that exists, once.
    pub(crate) fn names(&self, kinds: &[Kind]) -> impl Iterator<Item = &ObjectRef> {
        let objects =
            kinds.iter().filter_map(|kind| self.objects.get(kind)).flat_map(|objects| objects.keys());
        let others = self.duplicates.keys().filter(|object| self.get(object).is_none());
        objects.chain(others.chain(&self.unreadable).filter(|object| kinds.contains(&object.kind)))
    }

    /// How the objects differ from those of an earlier view; none when that cannot be told object by object.
    pub(crate) fn edits<'a>(&'a self, before: &'a Self) -> Option<Vec<Edit<'a>>> {
        let each_once = self.duplicates.is_empty() && before.duplicates.is_empty();
        if !each_once || self.unreadable != before.unreadable {
            return None;
        }
        let mut edits = Vec::new();
        let kinds: BTreeSet<_> = self.objects.keys().chain(before.objects.keys()).copied().collect();
        for kind in kinds {
            compare(kind, before.objects.get(&kind), self.objects.get(&kind), &mut edits);
        }
        Some(edits)
    }

    /// Whether what else there is is the same as in another view.
    pub(crate) fn shares_cluster(&self, other: &Self) -> bool {
        match (&self.cluster, &other.cluster) {
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            (own, others) => own.is_none() && others.is_none(),
        }
    }

    /// Whether an object is there that is not served as written, whatever it says.
    pub(crate) fn is_unusable(&self, object: &ObjectRef) -> bool {
        self.unreadable.contains(object) || self.duplicates.contains_key(object)
    }
}

/// One object that is another than before, came or went.
#[derive(Debug)]
pub(crate) struct Edit<'a> {
    pub(crate) kind: Kind,
    pub(crate) before: Option<&'a Document>,
    pub(crate) after: Option<&'a Document>,
}

/// Walks through both in order; what is shared is not looked into.
fn compare<'a>(
    kind: Kind,
    before: Option<&'a Arc<Objects>>,
    after: Option<&'a Arc<Objects>>,
    edits: &mut Vec<Edit<'a>>,
) {
    if let (Some(before), Some(after)) = (before, after)
        && Arc::ptr_eq(before, after)
    {
        return;
    }
    let mut before = before.into_iter().flat_map(|objects| objects.iter()).peekable();
    for (object, document) in after.into_iter().flat_map(|objects| objects.iter()) {
        while let Some((_, gone)) = before.next_if(|(earlier, _)| *earlier < object) {
            edits.push(Edit { kind, before: Some(gone), after: None });
        }
        let earlier = before.next_if(|(earlier, _)| *earlier == object).map(|(_, earlier)| earlier);
        if earlier.is_none_or(|earlier| !Arc::ptr_eq(earlier, document)) {
            edits.push(Edit { kind, before: earlier.map(|earlier| &**earlier), after: Some(document) });
        }
    }
    edits.extend(before.map(|(_, gone)| Edit { kind, before: Some(&**gone), after: None }));
}

/// All that an object that cannot be used is compiled from: defined more than once, or not readable.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Unusable {
    /// If there are several.
    definitions: Vec<Same<Document>>,
    unreadable: bool,
    in_cluster: bool,
    exposure: Option<Exposure>,
    workload: Option<Arc<Workload>>,
}

/// Every such object.
pub(crate) fn unusable(view: &ClusterView, fronts: Option<&Fronts>) -> BTreeMap<ObjectRef, Unusable> {
    let mut found: BTreeMap<ObjectRef, Unusable> = BTreeMap::new();
    for (object, documents) in &view.duplicates {
        let definitions = documents.iter().map(|document| Same(Arc::clone(document))).collect();
        found.insert(object.clone(), Unusable { definitions, ..Unusable::default() });
    }
    for object in &view.unreadable {
        let unusable = found.entry(object.clone()).or_default();
        unusable.unreadable = true;
        unusable.in_cluster = view.cluster.is_some();
        unusable.exposure = fronts.and_then(|fronts| fronts.of(object));
        unusable.workload = view.cluster().and_then(|cluster| cluster.workloads.get(object)).cloned();
    }
    found
}

impl Unusable {
    /// An error on every definition, naming the others, and what goes on being served.
    pub(crate) fn compile(&self, object: &ObjectRef) -> Piece {
        let mut piece = Piece::default();
        if !self.definitions.is_empty() {
            self.report_duplicates(object, &mut piece);
        }
        if self.unreadable {
            withhold(&mut piece, object, "Unreadable", format!("{object} cannot be read"));
            self.leave(object, &mut piece);
        }
        piece
    }

    fn report_duplicates(&self, object: &ObjectRef, piece: &mut Piece) {
        for document in &self.definitions {
            let others: Vec<String> = self
                .definitions
                .iter()
                .filter(|other| *other != document)
                .map(|other| place(other))
                .collect();
            let message = format!("{object} is also defined at {}", others.join(" and at "));
            let remedy = "keep one of the definitions, or rename one";
            let field = "metadata.name";
            piece.diagnostics.push(document.diagnose(
                Severity::Error,
                "duplicate-object",
                field,
                message,
                remedy,
            ));
        }
        let places: Vec<String> = self.definitions.iter().map(|document| place(document)).collect();
        let reason = format!("{object} is defined more than once: at {}", places.join(" and at "));
        // groups have nothing to differ in
        if object.kind != Kind::McpGroup {
            withhold(piece, object, "DuplicateObject", reason);
        }
    }

    /// Of what cannot be read it is not known what it wants: what there is stays, and leads to the gateways and pods that there
    /// are now.
    fn leave(&self, object: &ObjectRef, piece: &mut Piece) {
        if self.in_cluster && Fronts::KINDS.contains(&object.kind) {
            piece.leave_alone();
            if let Some(exposure) = self.exposure.as_ref().filter(|exposure| exposure.front.exists()) {
                exposure.keep_slices(object, piece);
            }
        }
        if let Some(facts) = &self.workload {
            piece.endpoints = Some(workload::endpoints(Some(facts)));
        }
    }
}

fn withhold(piece: &mut Piece, object: &ObjectRef, condition: &'static str, reason: String) {
    piece.withhold(object, Hold::KeepPrevious, &reason);
    let phase = if has_phase(object.kind) { Phase::Failed } else { Phase::None };
    let mut status = ObjectStatus::new(phase, &reason);
    status.conditions.push(Condition::of("Valid", false, condition, reason));
    piece.set_status(status);
}

/// Configurations and definitions have none (spec 1.6 to 1.11).
fn has_phase(kind: Kind) -> bool {
    kind == Kind::McpGroup || kind.is_backend() || kind == Kind::VirtualMcpServer
}

fn place(document: &Document) -> String {
    document.locate("metadata.name").map_or_else(|| "the API server".to_owned(), |place| place.to_string())
}

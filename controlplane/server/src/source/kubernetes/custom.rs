//! Objects of our own kinds: read as a manifest is, with the last good version kept, and their status as it was last written.

use std::sync::Arc;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;
use tidegate_controlplane_api::meta::{GROUP, VERSIONS};
use tidegate_controlplane_api::{Diagnostic, Document, Kind, ObjectRef, read_object};

use super::mirror::{Change, Kept};

/// One object of ours.
#[derive(Clone, Debug)]
pub struct Custom {
    /// The last version that could be read.
    pub document: Option<Arc<Document>>,
    /// Its name, also when nothing else can be read.
    pub object: Option<ObjectRef>,
    /// What is wrong with the newest version.
    pub diagnostics: Vec<Diagnostic>,
    /// `status`, by whomever it was written.
    pub status: Arc<Value>,
    /// `metadata.resourceVersion`.
    pub version: String,
}

/// The resource of a kind, in the version that is read.
pub fn resource(kind: Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(GROUP, VERSIONS[0], kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, &kind.plural())
}

impl Kept for Custom {
    type Object = DynamicObject;

    fn keep(object: DynamicObject, previous: Option<&Self>) -> Option<Self> {
        let mut value = serde_json::to_value(&object).unwrap_or_default();
        let version = object.metadata.resource_version.unwrap_or_default();
        let status = value.as_object_mut().and_then(|fields| fields.remove("status")).unwrap_or_default();
        strip(&mut value);
        let reading = read_object(&value);
        let mut diagnostics = reading.diagnostics;
        let document = reading.documents.into_iter().next().map(Arc::new);
        let earlier = previous.and_then(|previous| previous.document.clone());
        // The same content shares the same document: equality is then a comparison of pointers.
        let document = match (document, earlier) {
            (Some(new), Some(old)) if *new == *old => Some(old),
            (None, Some(old)) => {
                diagnostics.push(kept_instead(&old));
                Some(old)
            }
            (new, _) => new,
        };
        let named = document.as_ref().map(|document| document.object_ref.clone());
        let object = named.or_else(|| identity(&value));
        Some(Self { document, object, diagnostics, status: Arc::new(status), version })
    }

    fn change(before: Option<&Self>, after: Option<&Self>) -> Change {
        let (Some(before), Some(after)) = (before, after) else { return Change::View };
        let same = before.document == after.document && before.diagnostics == after.diagnostics;
        match (same, before.status == after.status) {
            (false, _) => Change::View,
            (true, false) => Change::Observed,
            (true, true) => Change::Nothing,
        }
    }
}

/// Takes out what changes with every write and says nothing.
fn strip(value: &mut Value) {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in ["managedFields", "resourceVersion", "selfLink"] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

fn identity(value: &Value) -> Option<ObjectRef> {
    let kind = Kind::parse(value.get("kind")?.as_str()?)?;
    let metadata = value.get("metadata")?;
    Some(ObjectRef::new(kind, metadata.get("namespace")?.as_str()?, metadata.get("name")?.as_str()?))
}

fn kept_instead(document: &Document) -> Diagnostic {
    document.diagnose(
        tidegate_controlplane_api::Severity::Info,
        "last-good-kept",
        "",
        "the last good version stays in effect",
        "repair the errors reported for this object",
    )
}

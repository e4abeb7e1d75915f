//! What a cluster says to manifests, as findings with the place of each field.

use serde::Serialize;
use tidegate_controlplane_api::meta::GROUP;
use tidegate_controlplane_api::read::Manifest;
use tidegate_controlplane_api::{Diagnostic, ObjectRef, Severity};

use crate::cluster::{Cluster, ClusterError, Kinds, Verdict};

/// Of the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    /// How many the cluster was asked about.
    pub(crate) asked: usize,
    /// How many it would take.
    pub(crate) accepted: usize,
}

/// What a cluster says.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) count: Count,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// One thing wrong with an object.
#[derive(Debug, PartialEq)]
struct Complaint {
    severity: Severity,
    code: &'static str,
    /// Empty: all of the object.
    field: String,
    message: String,
    remedy: String,
}

/// Asks about each object that has a name, in the order of the files; objects without a namespace are taken to be in
/// `namespace`.
pub(super) async fn ask(
    cluster: &Cluster,
    namespace: &str,
    manifests: &[Manifest],
) -> Result<Answer, ClusterError> {
    let mut kinds = Kinds::default();
    let mut answer = Answer::default();
    for manifest in manifests {
        let object = manifest.value();
        if object["metadata"]["name"].as_str().is_none_or(str::is_empty) || !object["kind"].is_string() {
            continue;
        }
        let own = object["metadata"]["namespace"].as_str().filter(|own| !own.is_empty());
        let namespace = own.unwrap_or(namespace);
        answer.count.asked += 1;
        let complaints = match cluster.dry_run(&mut kinds, namespace, object).await? {
            Verdict::Accepted(warnings) => {
                answer.count.accepted += 1;
                warnings.into_iter().map(warning).collect()
            }
            Verdict::Refused(error) => refusals(&error, &object["kind"], namespace),
        };
        answer.diagnostics.extend(complaints.into_iter().map(|found| found.about(manifest, namespace)));
    }
    Ok(answer)
}

fn warning(message: String) -> Complaint {
    let remedy = "the cluster takes it; kubectl shows the same warning".to_owned();
    Complaint { severity: Severity::Warning, code: "cluster-warning", field: String::new(), message, remedy }
}

fn refusals(error: &ClusterError, kind: &serde_json::Value, namespace: &str) -> Vec<Complaint> {
    let one = |code, field: &str, message: &str, remedy: &str| {
        let (field, message, remedy) = (field.to_owned(), message.to_owned(), remedy.to_owned());
        vec![Complaint { severity: Severity::Error, code, field, message, remedy }]
    };
    match error {
        ClusterError::NotInstalled { what, .. } => {
            let remedy = if what.contains(GROUP) {
                "install the CRDs: kubectl apply --server-side -f deploy/crds"
            } else {
                "install what defines the kind"
            };
            one("cluster-no-kind", "kind", &format!("the cluster has no {what}"), remedy)
        }
        ClusterError::NotFound { message } => {
            let remedy = format!("make the namespace first: kubectl create namespace {namespace}");
            one("cluster-no-namespace", "metadata.namespace", message, &remedy)
        }
        ClusterError::Forbidden { message } => {
            one("cluster-forbidden", "", message, "ask who runs the cluster for a role that allows this")
        }
        ClusterError::Refused { status, .. } => {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            let named: Vec<_> = causes.filter(|cause| !cause.message.is_empty()).collect();
            if named.is_empty() {
                return undeclared(&status.message, kind).unwrap_or_else(|| {
                    one("cluster-refused", "", &status.message, "change it as the message asks")
                });
            }
            named.into_iter().map(|cause| invalid(&cause.field, &cause.message, kind)).collect()
        }
        other => one("cluster-refused", "", &other.to_string(), "try again"),
    }
}

fn invalid(field: &str, message: &str, kind: &serde_json::Value) -> Complaint {
    // what is said of the whole object has the field `<nil>`
    let field = if field.starts_with('<') { String::new() } else { field.to_owned() };
    let explained: String = without_indices(&field);
    let path = if explained.is_empty() { String::new() } else { format!(".{explained}") };
    let kind = kind.as_str().unwrap_or_default().to_lowercase();
    let remedy = format!("`kubectl explain {kind}{path}` says what may stand here");
    Complaint {
        severity: Severity::Error,
        code: "cluster-invalid",
        field,
        message: message.to_owned(),
        remedy,
    }
}

/// Fields that the API server does not know; it says so in the message alone.
fn undeclared(message: &str, kind: &serde_json::Value) -> Option<Vec<Complaint>> {
    let (_, list) = message.split_once("strict decoding error: ")?;
    let complaints = list.split(", ").filter_map(|part| {
        let field = part.strip_prefix("unknown field \"")?.strip_suffix('"')?;
        Some(invalid(field, "the cluster knows no such field", kind))
    });
    let complaints: Vec<_> = complaints.collect();
    (!complaints.is_empty()).then_some(complaints)
}

fn without_indices(field: &str) -> String {
    let mut depth = 0;
    field
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '[');
            let inside = depth > 0;
            depth -= i32::from(*c == ']');
            !inside
        })
        .collect()
}

impl Complaint {
    fn about(self, manifest: &Manifest, namespace: &str) -> Diagnostic {
        let Self { severity, code, field, message, remedy } = self;
        let object = manifest.object_ref().map(|object| ObjectRef::new(object.kind, namespace, &object.name));
        let message = match &object {
            Some(_) => message,
            None => {
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let value = manifest.value();
                format!("{} {}: {message}", text(&value["kind"]), text(&value["metadata"]["name"]))
            }
        };
        let source = Some(manifest.locate(&field));
        let field = (!field.is_empty()).then_some(field);
        Diagnostic { severity, code, object, source, field, message, remedy }
    }
}

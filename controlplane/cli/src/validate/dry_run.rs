//! What a cluster says to manifests, as findings with the place of each field.

use serde::Serialize;
use tidegate_controlplane_api::read::Manifest;
use tidegate_controlplane_api::{Diagnostic, ObjectRef};

use super::complaint::{Complaint, refusal, warning};
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
        if manifest.kind().is_empty() || manifest.name().is_empty() {
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
            Verdict::Refused(error) => refusal(&error, manifest.kind(), namespace),
        };
        answer.diagnostics.extend(complaints.into_iter().map(|found| diagnostic(found, manifest, namespace)));
    }
    Ok(answer)
}

fn diagnostic(complaint: Complaint, manifest: &Manifest, namespace: &str) -> Diagnostic {
    let Complaint { severity, code, field, message, remedy } = complaint;
    let object = manifest.object_ref().map(|object| ObjectRef::new(object.kind, namespace, &object.name));
    let message = match &object {
        Some(_) => message,
        None => format!("{} {}: {message}", manifest.kind(), manifest.name()),
    };
    let source = Some(manifest.locate(&field));
    let field = (!field.is_empty()).then_some(field);
    Diagnostic { severity, code, object, source, field, message, remedy }
}

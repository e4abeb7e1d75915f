//! What an API server has against an object, in the form of our own findings.

use tidegate_controlplane_api::Severity;
use tidegate_controlplane_api::meta::GROUP;

use crate::cluster::ClusterError;

/// Said of an object when something in it is so wrong that rules were not tried: what is wrong is said, too.
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid";
/// Said by server-side apply, in the message alone: `.spec.descripton: field not declared in schema`.
const UNDECLARED: &str = ": field not declared in schema";

/// One thing wrong with an object.
#[derive(Debug, PartialEq)]
pub(super) struct Complaint {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    /// Empty: all of the object.
    pub(super) field: String,
    pub(super) message: String,
    pub(super) remedy: String,
}

/// A warning of an answer that takes the object.
pub(super) fn warning(message: String) -> Complaint {
    let remedy = "the cluster takes it; kubectl shows the same warning".to_owned();
    Complaint { severity: Severity::Warning, code: "cluster-warning", field: String::new(), message, remedy }
}

/// Why an object of a kind is not taken in a namespace; at least one complaint.
pub(super) fn refusal(error: &ClusterError, kind: &str, namespace: &str) -> Vec<Complaint> {
    match error {
        ClusterError::NotInstalled { what, .. } => {
            let remedy = if what.contains(GROUP) {
                "install the CRDs: kubectl apply --server-side -f deploy/crds"
            } else {
                "install what defines the kind"
            };
            vec![complaint("cluster-no-kind", "kind", format!("the cluster has no {what}"), remedy)]
        }
        ClusterError::NotFound { message } => {
            let remedy = format!("make the namespace first: kubectl create namespace {namespace}");
            vec![complaint("cluster-no-namespace", "metadata.namespace", message.clone(), &remedy)]
        }
        ClusterError::Forbidden { message } => {
            let remedy = "ask who runs the cluster for a role that allows this";
            vec![complaint("cluster-forbidden", "", message.clone(), remedy)]
        }
        ClusterError::Refused { status, .. } => {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            let causes = causes.filter(|cause| !cause.message.contains(UNCHECKED));
            let mut all: Vec<_> = causes.map(|cause| invalid(&cause.field, &cause.message, kind)).collect();
            all.extend(undeclared(&status.message, kind));
            if all.is_empty() {
                all.push(complaint("cluster-refused", "", status.message.clone(), "do as the message asks"));
            }
            all
        }
        other => vec![complaint("cluster-refused", "", other.to_string(), "try again")],
    }
}

fn complaint(code: &'static str, field: &str, message: String, remedy: &str) -> Complaint {
    let (field, remedy) = (field.to_owned(), remedy.to_owned());
    Complaint { severity: Severity::Error, code, field, message, remedy }
}

fn invalid(field: &str, message: &str, kind: &str) -> Complaint {
    // what is said of the whole object has the field `<nil>`
    let field = if field.starts_with('<') { "" } else { field };
    let path = [kind.to_lowercase(), without_brackets(field)].join(".");
    let remedy = format!("`kubectl explain {}` says what may stand here", path.trim_end_matches('.'));
    complaint("cluster-invalid", field, message.to_owned(), &remedy)
}

fn undeclared(message: &str, kind: &str) -> Vec<Complaint> {
    let mut parts: Vec<&str> = message.split(UNDECLARED).collect();
    parts.pop();
    let fields = parts.iter().filter_map(|part| Some(part.rsplit_once(" .")?.1));
    fields.map(|field| invalid(field, "the cluster knows no such field", kind)).collect()
}

/// `spec.tools[0].name` as `spec.tools.name`.
fn without_brackets(field: &str) -> String {
    let parts = field.split('[').enumerate();
    let after = |(index, part): (usize, &'_ str)| match part.split_once(']') {
        Some((_, rest)) if index > 0 => rest.to_owned(),
        _ => part.to_owned(),
    };
    parts.map(after).collect()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn fields(message: &str) -> Vec<(String, String)> {
        let status = Box::new(Status { message: message.to_owned(), code: 422, ..Status::default() });
        let error = ClusterError::Refused { server: "x".to_owned(), status };
        refusal(&error, "MCPGroup", "team").into_iter().map(|found| (found.field, found.remedy)).collect()
    }

    #[test]
    fn fields_that_are_not_declared_are_found_in_the_message() {
        let one = "failed to create typed patch object (/tools; toolhive.stacklok.dev/v1beta1, Kind=MCPGroup): \
                   .spec.descripton: field not declared in schema";
        let explain = |path: &str| format!("`kubectl explain mcpgroup.{path}` says what may stand here");
        assert_eq!(fields(one), [("spec.descripton".to_owned(), explain("spec.descripton"))]);
        let two = "failed to create typed patch object (…): errors:\n  .spec.list[0].a: field not declared in schema\n  \
                   .spec.b: field not declared in schema";
        let expected = [("spec.list[0].a", "spec.list.a"), ("spec.b", "spec.b")];
        assert_eq!(fields(two), expected.map(|(field, path)| (field.to_owned(), explain(path))));
    }

    #[test]
    fn what_names_no_field_is_about_the_object() {
        let expected = (String::new(), "do as the message asks".to_owned());
        assert_eq!(fields("admission webhook \"w\" denied the request: no"), [expected]);
    }
}

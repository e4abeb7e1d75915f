//! Which failures of a write are refusals, that is, nothing that passes by itself in a moment, and what is said of them.

use kube::core::Status;

use super::plan::{Action, Step};
use super::write::WriteError;
use crate::cluster::bounded;
use crate::cluster::refusals::Refusal;

/// As long as a message may be: several stand in one condition, and the API server may repeat what it refuses.
const MAX_MESSAGE: usize = 512;
/// An answer of 500 may be a passing fault of etcd, or a webhook that cannot be called: so often in a row it is no accident.
const NO_ACCIDENT: u32 = 3;

/// What is to be shown of a write that failed so many times in a row; none for what is likely to pass.
pub(super) fn refusal(step: &Step, action: &Action, error: &WriteError, failures: u32) -> Option<Refusal> {
    let (reason, why) = match error {
        WriteError::NotOurs => ("NameTaken", error.to_string()),
        WriteError::Api(error) => match &**error {
            kube::Error::Api(status) if lasts(status, failures) => (reason(action), said(status)),
            _ => return None,
        },
    };
    let message = bounded(format!("cannot {} {}: {why}", verb(action), step.child()), MAX_MESSAGE);
    Some(Refusal { owner: action.owner().clone(), reason, message })
}

/// Whether the API server will say the same again. Conflicts, throttling, and outages pass; a namespace that is gone or going takes
/// the owner with it.
fn lasts(status: &Status, failures: u32) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let going = causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating");
    match status.code {
        400 | 403 | 405 | 413 | 422 => !going,
        500 => failures >= NO_ACCIDENT,
        _ => false,
    }
}

/// In one line.
fn said(status: &Status) -> String {
    let words = if status.message.is_empty() { &status.reason } else { &status.message };
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of Kubernetes' own controllers.
fn reason(action: &Action) -> &'static str {
    match action {
        Action::Apply { seen: None, .. } => "FailedCreate",
        Action::Apply { .. } => "FailedUpdate",
        Action::Delete { .. } => "FailedDelete",
    }
}

fn verb(action: &Action) -> &'static str {
    match action {
        Action::Apply { seen: None, .. } => "create",
        Action::Apply { .. } => "update",
        Action::Delete { .. } => "delete",
    }
}

#[cfg(test)]
mod tests {
    use tidegate_controlplane_api::{Kind, ObjectRef};
    use tidegate_controlplane_compile::{ChildKey, ChildKind};

    use super::*;

    fn check(error: WriteError, failures: u32, expected: Option<(&str, &str)>) {
        let key = ChildKey { kind: ChildKind::Service, namespace: "team".into(), name: "vmcp-demo".into() };
        let owner = ObjectRef::new(Kind::VirtualMcpServer, "team", "demo");
        let action = Action::Delete { owner, uid: "u".to_owned() };
        let refusal = refusal(&Step(key), &action, &error, failures);
        assert_eq!(refusal.as_ref().map(|r| (r.reason, r.message.as_str())), expected, "{error}");
    }

    fn api(code: u16, message: &str, cause: &str) -> WriteError {
        let details = serde_json::from_value(serde_json::json!({ "causes": [{ "reason": cause }] }));
        let details = Some(details.expect("details of a status"));
        let status = Status { code, message: message.into(), details, ..Status::default() };
        WriteError::Api(Box::new(kube::Error::Api(status.boxed())))
    }

    #[test]
    fn what_will_be_said_again_is_shown_and_what_passes_is_not() {
        let shown = |why| format!("cannot delete Service vmcp-demo: {why}");
        check(api(403, "exceeded\n quota", ""), 1, Some(("FailedDelete", &shown("exceeded quota"))));
        check(api(422, "no", ""), 1, Some(("FailedDelete", &shown("no"))));
        check(api(403, "no", "NamespaceTerminating"), 1, None);
        for passing in [404, 409, 429, 503, 504] {
            check(api(passing, "no", ""), 9, None);
        }
        check(api(500, "no webhook", ""), 2, None);
        check(api(500, "no webhook", ""), 3, Some(("FailedDelete", &shown("no webhook"))));
        let taken = "there is one that is not ours (label app.kubernetes.io/managed-by); delete or rename it";
        check(WriteError::NotOurs, 1, Some(("NameTaken", &shown(taken))));
        let long = refusal_length(&api(422, &"x".repeat(2_000), ""));
        assert_eq!(long, MAX_MESSAGE);
    }

    fn refusal_length(error: &WriteError) -> usize {
        let key = ChildKey { kind: ChildKind::Service, namespace: "team".into(), name: "a".into() };
        let owner = ObjectRef::new(Kind::VirtualMcpServer, "team", "a");
        let action = Action::Delete { owner, uid: String::new() };
        refusal(&Step(key), &action, error, 1).expect("a refusal").message.len()
    }
}

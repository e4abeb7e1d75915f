//! What the API server refuses of an object's children, in the object's status (docs/kubernetes.md).

use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile::{ChildKey, ChildKind};

use super::Status;
use crate::cluster::refusals::Refusal;

/// Present only while something is refused.
const CONDITION: &str = "ChildrenRefused";
/// Children that a message names; the rest is counted.
const MOST_NAMED: usize = 3;

impl Status {
    /// Says which of its children are refused, if any.
    pub(super) fn refused(&mut self, owner: &ObjectRef, children: &[(&ChildKey, &Refusal)]) {
        let Some((_, first)) = children.first() else { return };
        let message = message(children);
        // What waits, waits for this; what is served already is no worse than before.
        if self.phase == "Pending" {
            if let Some(ready) = self.condition("Ready").filter(|ready| !ready.holds) {
                self.set("Ready", false, ready.reason, message.clone());
            }
            self.message.clone_from(&message);
        }
        let front = children.iter().find(|(key, _)| is_front(owner, key));
        let pending = self.condition("Exposed").is_some_and(|exposed| exposed.reason == "ServicePending");
        if let Some((_, refusal)) = front.filter(|_| pending) {
            let taken = refusal.reason == "NameTaken";
            let reason = if taken { "ServiceNameTaken" } else { "ServiceRefused" };
            self.set("Exposed", false, reason, refusal.message.clone());
        }
        self.set(CONDITION, true, first.reason, message);
    }
}

fn message(children: &[(&ChildKey, &Refusal)]) -> String {
    let named = children.iter().take(MOST_NAMED).map(|(_, refusal)| refusal.message.as_str());
    let mut message = named.collect::<Vec<_>>().join("; ");
    if let Some(more) = children.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        message.push_str(&format!("; and {more} more"));
    }
    message
}

/// The Service through which clients come; an MCPServer has another one, for its pods.
fn is_front(owner: &ObjectRef, key: &ChildKey) -> bool {
    let of_pods =
        || owner.kind == Kind::McpServer && key.name.strip_prefix("mcp-") == Some(owner.name.as_ref());
    key.kind == ChildKind::Service && !of_pods()
}

#[cfg(test)]
mod tests {
    use tidegate_controlplane_compile::{ObjectStatus, Phase};

    use super::*;
    use crate::cluster::refusals::Refused;

    fn refused(owner: &ObjectRef, names: &[&str]) -> Refused {
        let child = |name: &&str| {
            let key = ChildKey {
                kind: ChildKind::Service,
                namespace: owner.namespace.clone(),
                name: (*name).into(),
            };
            let message = format!("cannot create Service {name}: no");
            (key, Refusal { owner: owner.clone(), reason: "FailedCreate", message })
        };
        Refused { children: names.iter().map(child).collect(), tried: true }
    }

    /// `type/reason: message` of each condition, after the message of the status.
    fn check(phase: Phase, names: &[&str], expected: &[&str]) {
        let owner = ObjectRef::new(Kind::McpServer, "team", "a");
        let mut status = Status::of(&ObjectStatus::new(phase, "waiting"));
        status.set("Exposed", false, "ServicePending", "on its way");
        let refused = refused(&owner, names);
        status.refused(&owner, refused.by_owner().get(&owner).map(Vec::as_slice).unwrap_or_default());
        let mut said = vec![status.message.clone()];
        said.extend(status.conditions.iter().map(|c| format!("{}/{}: {}", c.r#type, c.reason, c.message)));
        assert_eq!(said, expected, "{names:?}");
    }

    #[test]
    fn an_owner_says_which_child_is_refused_and_why() {
        let pending = "Exposed/ServicePending: on its way";
        check(Phase::Ready, &[], &["waiting", pending]);
        let pods = "ChildrenRefused/FailedCreate: cannot create Service mcp-a: no";
        check(Phase::Ready, &["mcp-a"], &["waiting", pending, pods]);
        let front = "cannot create Service mcp-a-proxy: no";
        let exposed = format!("Exposed/ServiceRefused: {front}");
        check(
            Phase::Pending,
            &["mcp-a-proxy"],
            &[front, &exposed, &format!("ChildrenRefused/FailedCreate: {front}")],
        );
    }

    #[test]
    fn of_many_children_some_are_named() {
        let owner = ObjectRef::new(Kind::McpServer, "team", "a");
        let refused = refused(&owner, &["a", "b", "c", "d", "e"]);
        let of = &refused.by_owner()[&owner];
        assert!(message(of).ends_with("cannot create Service c: no; and 2 more"), "{}", message(of));
        assert_eq!(message(&of[..3]).matches("; ").count(), 2);
    }
}

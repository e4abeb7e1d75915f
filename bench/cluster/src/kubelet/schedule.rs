//! Which nodes a pod may be on. Pure.

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, Pod};

/// The nodes of `names` that the pod's node selector and required affinity allow, as far as they speak of names.
pub(super) fn fitting<'a>(pod: &Pod, names: &'a [String]) -> Vec<&'a str> {
    names.iter().map(String::as_str).filter(|name| fits(pod, name)).collect()
}

fn fits(pod: &Pod, node: &str) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let selected = spec.node_selector.iter().flatten().all(|(label, value)| match label.as_str() {
        "kubernetes.io/hostname" => value == node,
        _ => true,
    });
    let affinity = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    let Some(terms) = required.map(|r| &r.node_selector_terms) else { return selected };
    // any of the terms, all that one term says
    selected
        && terms.iter().any(|term| {
            let fields = term.match_fields.iter().flatten();
            let labels = term.match_expressions.iter().flatten();
            fields.chain(labels).all(|requirement| allows(requirement, node))
        })
}

fn allows(requirement: &NodeSelectorRequirement, node: &str) -> bool {
    let named = ["metadata.name", "kubernetes.io/hostname"];
    if !named.contains(&requirement.key.as_str()) {
        return true;
    }
    let listed = requirement.values.iter().flatten().any(|value| value == node);
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(spec: serde_json::Value, expect: &[&str]) {
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).expect("a pod");
        let names = ["node-a".to_owned(), "node-b".to_owned()];
        assert_eq!(fitting(&pod, &names), expect, "{spec}");
    }

    #[test]
    fn a_pod_goes_where_its_selectors_allow() {
        let containers = json!([]);
        let affinity = |key: &str, operator: &str| {
            let requirement = json!([{"key": key, "operator": operator, "values": ["node-b"]}]);
            let term = if key == "metadata.name" { "matchFields" } else { "matchExpressions" };
            json!({"containers": [], "affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{term: requirement}]}
            }}})
        };
        check(json!({"containers": containers}), &["node-a", "node-b"]);
        check(affinity("metadata.name", "In"), &["node-b"]);
        check(affinity("kubernetes.io/hostname", "NotIn"), &["node-a"]);
        check(affinity("kubernetes.io/os", "In"), &["node-a", "node-b"]);
        check(json!({"containers": [], "nodeSelector": {"kubernetes.io/hostname": "node-a"}}), &["node-a"]);
        check(json!({"containers": [], "nodeSelector": {"kubernetes.io/hostname": "gone"}}), &[]);
    }
}

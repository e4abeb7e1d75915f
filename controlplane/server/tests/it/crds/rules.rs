//! Every rule between fields before a real API server: a spec that keeps it, one that breaks it, and the exact text.

mod configs;
mod servers;
mod shared;
mod virtual_servers;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;

use super::admission::Admission;
use super::sample::schema;
use configs::{configs, external_auth};
use servers::servers;
use virtual_servers::{authorisation, virtual_servers};

/// A field, the text of a rule on it, a spec that keeps the rule, and one that breaks it.
#[derive(Clone)]
struct Case {
    kind: Kind,
    field: &'static str,
    text: &'static str,
    kept: Value,
    broken: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_between_fields_is_kept_and_told() {
    let server = Admission::new("rules").await;
    let cases = [servers(), virtual_servers(), authorisation(), configs(), external_auth()].concat();
    let mut told = BTreeSet::new();
    for Case { kind, field, text, kept, broken } in &cases {
        assert_eq!(server.refusals(*kind, kept).await, Vec::<String>::new(), "{kind}: {text}");
        let refusal = format!("{field}: Invalid value: {text}");
        let refusals = server.refusals(*kind, broken).await;
        assert!(refusals.contains(&refusal), "{kind}: {refusal} is not in {refusals:#?}");
        told.insert((kind.as_str(), (*text).to_owned()));
    }
    let there: BTreeSet<_> = Kind::SERVED.into_iter().flat_map(messages).collect();
    let untold: Vec<_> = there.iter().filter(|rule| !told.contains(*rule)).collect();
    assert!(untold.is_empty(), "without a case: {untold:#?}");
}

/// A4, A5 and A6 by their names.
#[tokio::test(flavor = "multi_thread")]
async fn a4_a5_a6_the_rules_of_a_virtual_server() {
    let server = Admission::new("a456").await;
    let check = async |edit: Value, expected: &str| {
        let mut spec = virtual_server(json!({}));
        spec.as_object_mut().unwrap().extend(edit.as_object().unwrap().clone());
        assert_eq!(server.refusals(Kind::VirtualMcpServer, &spec).await, [expected]);
    };
    check(
        json!({"incomingAuth": {"type": "oidc"}}),
        "spec.incomingAuth: Invalid value: spec.incomingAuth.oidcConfig or oidcConfigRef is required when type is oidc",
    )
    .await;
    check(
        json!({"incomingAuth": {
            "type": "anonymous",
            "authzConfig": {"type": "inline", "inline": {"policies": ["permit(principal, action, resource);"]}},
            "authzConfigRef": {"name": "a"},
        }}),
        "spec.incomingAuth: Invalid value: authzConfig and authzConfigRef are mutually exclusive; use authzConfigRef \
         to reference a shared MCPAuthzConfig",
    )
    .await;
    check(
        json!({"config": {"operational": {"failureHandling": {"circuitBreaker": {"timeout": "500ms"}}}}}),
        "spec.config.operational.failureHandling.circuitBreaker: Invalid value: timeout must be >= 1s",
    )
    .await;
}

fn virtual_server(more: Value) -> Value {
    merged(json!({"groupRef": {"name": "g"}, "incomingAuth": {"type": "anonymous"}}), more)
}

fn merged(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object is merged") };
    base.as_object_mut().unwrap().extend(more);
    base
}

/// The texts of the rules of a kind.
fn messages(kind: Kind) -> Vec<(&'static str, String)> {
    let schema = schema(kind, "spec");
    let (mut found, mut rest) = (Vec::new(), vec![&schema]);
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(fields) => {
                let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
                let texts =
                    rules.into_iter().flatten().map(|rule| rule["message"].as_str().unwrap().to_owned());
                found.extend(texts.map(|text| (kind.as_str(), text)));
                rest.extend(fields.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    found
}

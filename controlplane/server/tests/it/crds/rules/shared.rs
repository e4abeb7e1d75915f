//! Rules that several kinds have.

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;

use super::{Case, merged};

pub(super) fn redis() -> Value {
    json!({"provider": "redis", "address": "redis:6379"})
}

/// Settings in place or by reference, not both.
pub(super) fn one_of_two(kind: Kind, field: &'static str, spec: impl Fn(Value) -> Value) -> Vec<Case> {
    let oidc = json!({"oidcConfig": {"type": "kubernetes"}});
    let policies = json!({"authzConfig": {"type": "configMap", "configMap": {"name": "c"}}});
    let oidc_ref = json!({"oidcConfigRef": {"name": "o", "audience": "a"}});
    let policies_ref = json!({"authzConfigRef": {"name": "a"}});
    let case = |text, one: Value, other| Case {
        kind,
        field,
        text,
        kept: spec(one.clone()),
        broken: spec(merged(one, other)),
    };
    vec![
        case(
            "oidcConfig and oidcConfigRef are mutually exclusive; use oidcConfigRef to reference a shared MCPOIDCConfig",
            oidc,
            oidc_ref,
        ),
        case(
            "authzConfig and authzConfigRef are mutually exclusive; use authzConfigRef to reference a shared \
             MCPAuthzConfig",
            policies,
            policies_ref,
        ),
    ]
}

/// `authzConfig` has the block of its type.
pub(super) fn policies(kind: Kind, field: &'static str, spec: impl Fn(Value) -> Value) -> Vec<Case> {
    let map = json!({"configMap": {"name": "c"}});
    let inline = json!({"type": "inline", "inline": {"policies": ["permit(principal, action, resource);"]}});
    vec![
        Case {
            kind,
            field,
            text: "configMap must be set when type is 'configMap', and must not be set otherwise",
            kept: spec(map.clone()),
            broken: spec(json!({})),
        },
        Case {
            kind,
            field,
            text: "inline must be set when type is 'inline', and must not be set otherwise",
            kept: spec(inline),
            broken: spec(merged(map, json!({"type": "inline"}))),
        },
    ]
}

pub(super) fn storage(kind: Kind, spec: impl Fn(Value) -> Value) -> Vec<Case> {
    let (kept, broken) = (spec(json!({"provider": "memory"})), spec(json!({"provider": "redis"})));
    vec![Case { kind, field: "spec.sessionStorage", text: "address is required", kept, broken }]
}

/// Rate limits limit something, in all and per tool.
pub(super) fn limits(kind: Kind, fields: [&'static str; 2], spec: impl Fn(Value) -> Value) -> Vec<Case> {
    let kept = spec(json!({"tools": [{"name": "t", "shared": {"maxTokens": 1, "refillPeriod": "1m"}}]}));
    let [all, tool] = fields;
    vec![
        Case {
            kind,
            field: all,
            text: "at least one of shared, perUser, or tools must be configured",
            kept: kept.clone(),
            broken: spec(json!({"tools": []})),
        },
        Case {
            kind,
            field: tool,
            text: "at least one of shared or perUser must be configured",
            kept,
            broken: spec(json!({"tools": [{"name": "t"}]})),
        },
    ]
}

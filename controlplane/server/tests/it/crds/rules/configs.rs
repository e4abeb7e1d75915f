//! The rules of MCPOIDCConfig, MCPTelemetryConfig and MCPExternalAuthConfig.

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;

use super::{Case, merged};
use crate::crds::sample::valid;

/// The rules of MCPOIDCConfig and MCPTelemetryConfig.
pub(super) fn configs() -> Vec<Case> {
    let kubernetes = json!({"type": "kubernetesServiceAccount", "kubernetesServiceAccount": {}});
    let inline = json!({"type": "inline", "inline": {"issuer": "https://i"}});
    let oidc = |text, kept: &Value, broken| Case {
        kind: Kind::McpOidcConfig,
        field: "spec",
        text,
        kept: kept.clone(),
        broken,
    };
    let telemetry = |name: &str| {
        let secret = json!({"name": name, "secretKeyRef": {"name": "s", "key": "k"}});
        json!({"openTelemetry": {"headers": {"X-Team": "t"}, "sensitiveHeaders": [secret]}})
    };
    vec![
        oidc(
            "kubernetesServiceAccount must be set when type is 'kubernetesServiceAccount', and must not be set otherwise",
            &kubernetes,
            merged(inline.clone(), json!({"kubernetesServiceAccount": {}})),
        ),
        oidc(
            "inline must be set when type is 'inline', and must not be set otherwise",
            &inline,
            json!({"type": "inline"}),
        ),
        Case {
            kind: Kind::McpTelemetryConfig,
            field: "spec.openTelemetry",
            text: "a header name cannot appear in both headers and sensitiveHeaders",
            kept: telemetry("X-Key"),
            broken: telemetry("X-Team"),
        },
    ]
}

/// An MCPExternalAuthConfig has the block named like its type.
pub(super) fn external_auth() -> Vec<Case> {
    let samples = valid(Kind::McpExternalAuthConfig);
    let case = |text, kept: &Value, broken| Case {
        kind: Kind::McpExternalAuthConfig,
        field: "spec",
        text,
        kept: kept.clone(),
        broken,
    };
    let of = |r#type: &str| samples.iter().find(|spec| spec["type"] == r#type).unwrap();
    let mut cases = vec![case(
        "no configuration must be set when type is 'unauthenticated'",
        of("unauthenticated"),
        merged(of("bearerToken").clone(), json!({"type": "unauthenticated"})),
    )];
    for (r#type, text) in [
        ("tokenExchange", "tokenExchange configuration must be set if and only if type is 'tokenExchange'"),
        (
            "headerInjection",
            "headerInjection configuration must be set if and only if type is 'headerInjection'",
        ),
        ("bearerToken", "bearerToken configuration must be set if and only if type is 'bearerToken'"),
        (
            "embeddedAuthServer",
            "embeddedAuthServer configuration must be set if and only if type is 'embeddedAuthServer'",
        ),
        ("awsSts", "awsSts configuration must be set if and only if type is 'awsSts'"),
        (
            "upstreamInject",
            "upstreamInject configuration must be set if and only if type is 'upstreamInject'",
        ),
        ("obo", "obo configuration must be set if and only if type is 'obo'"),
        ("xaa", "xaa configuration must be set if and only if type is 'xaa'"),
    ] {
        cases.push(case(text, of(r#type), json!({"type": r#type})));
        cases.push(case(text, of(r#type), merged(of(r#type).clone(), json!({"type": "unauthenticated"}))));
    }
    cases
}

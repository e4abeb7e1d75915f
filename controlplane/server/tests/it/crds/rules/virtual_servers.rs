//! The rules of VirtualMCPServer.

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;

use super::shared::{limits, one_of_two, policies, redis, storage};
use super::{Case, merged, virtual_server};

/// The rules of VirtualMCPServer that are about its config.
pub(super) fn virtual_servers() -> Vec<Case> {
    let bucket = json!({"maxTokens": 1, "refillPeriod": "1m"});
    let oidc = json!({"type": "oidc", "oidcConfigRef": {"name": "o", "audience": "a"}});
    let with = |storage: Value, auth: Value, limits: Value| {
        let more =
            json!({"incomingAuth": auth, "sessionStorage": storage, "config": {"rateLimiting": limits}});
        virtual_server(more)
    };
    let anonymous = json!({"type": "anonymous"});
    let shared = json!({"shared": bucket});
    let per_user = json!({"perUser": bucket});
    let per_tool = json!({"tools": [{"name": "t", "perUser": bucket}]});
    let optimizer = |provider: &str| {
        let optimizer = json!({"embeddingService": "http://e", "embeddingProvider": provider});
        virtual_server(json!({"embeddingServerRef": {"name": "e"}, "config": {"optimizer": optimizer}}))
    };
    let breaker = |timeout: &str| {
        let breaker = json!({"enabled": true, "timeout": timeout});
        virtual_server(json!({"config": {"operational": {"failureHandling": {"circuitBreaker": breaker}}}}))
    };
    let case = |field, text, kept, broken| Case { kind: Kind::VirtualMcpServer, field, text, kept, broken };
    let mut cases = vec![
        case(
            "spec",
            "config.rateLimiting requires sessionStorage with provider 'redis'",
            with(redis(), anonymous.clone(), shared.clone()),
            with(json!({"provider": "memory"}), anonymous.clone(), shared),
        ),
        case(
            "spec",
            "config.rateLimiting.perUser requires incomingAuth.type oidc",
            with(redis(), oidc.clone(), per_user.clone()),
            with(redis(), anonymous.clone(), per_user),
        ),
        case(
            "spec",
            "per-tool perUser rate limiting requires incomingAuth.type oidc",
            with(redis(), oidc, per_tool.clone()),
            with(redis(), anonymous.clone(), per_tool),
        ),
        case(
            "spec",
            "embeddingServerRef cannot be combined with optimizer.embeddingProvider openai",
            optimizer("tei"),
            optimizer("openai"),
        ),
        case(
            "spec.config.operational.failureHandling.circuitBreaker",
            "timeout must be >= 1s",
            breaker("1s"),
            breaker("999ms"),
        ),
    ];
    cases.extend(storage(Kind::VirtualMcpServer, |block| virtual_server(json!({"sessionStorage": block}))));
    let fields = ["spec.config.rateLimiting", "spec.config.rateLimiting.tools[0]"];
    cases.extend(limits(Kind::VirtualMcpServer, fields, |limits| with(redis(), anonymous.clone(), limits)));
    cases
}

/// The rules of `incomingAuth`.
pub(super) fn authorisation() -> Vec<Case> {
    let with = |auth: Value| virtual_server(json!({"incomingAuth": auth}));
    let mut cases = vec![Case {
        kind: Kind::VirtualMcpServer,
        field: "spec.incomingAuth",
        text: "spec.incomingAuth.oidcConfig or oidcConfigRef is required when type is oidc",
        kept: with(json!({"type": "oidc", "oidcConfig": {"type": "kubernetes"}})),
        broken: with(json!({"type": "oidc"})),
    }];
    let oidc = |more| with(merged(json!({"type": "anonymous"}), more));
    cases.extend(one_of_two(Kind::VirtualMcpServer, "spec.incomingAuth", oidc));
    let field = "spec.incomingAuth.authzConfig";
    cases.extend(policies(Kind::VirtualMcpServer, field, |block| oidc(json!({"authzConfig": block}))));
    cases
}

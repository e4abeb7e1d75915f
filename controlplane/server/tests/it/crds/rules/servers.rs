//! The rules of MCPServer and MCPRemoteProxy.

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;

use super::shared::{limits, one_of_two, policies, redis, storage};
use super::{Case, merged};

pub(super) fn servers() -> Vec<Case> {
    let exclusive =
        [(Kind::McpServer, json!({"image": "i"})), (Kind::McpRemoteProxy, json!({"remoteUrl": "https://r"}))];
    let mut cases = Vec::new();
    for (kind, base) in exclusive {
        cases.extend(one_of_two(kind, "spec", |more| merged(base.clone(), more)));
        cases.extend(policies(kind, "spec.authzConfig", |block| {
            merged(base.clone(), json!({"authzConfig": block}))
        }));
        cases.extend(storage(kind, |block| merged(base.clone(), json!({"sessionStorage": block}))));
    }
    let limited = |more| merged(json!({"image": "i", "sessionStorage": redis()}), more);
    let bucket = json!({"maxTokens": 1, "refillPeriod": "1m"});
    let per_user = json!({"rateLimiting": {"perUser": bucket}});
    let per_tool = json!({"rateLimiting": {"tools": [{"name": "t", "perUser": bucket}]}});
    let with_oidc = |limits: &Value| merged(limits.clone(), json!({"oidcConfig": {"type": "kubernetes"}}));
    let mut case = |text, kept, broken| {
        cases.push(Case { kind: Kind::McpServer, field: "spec", text, kept, broken });
    };
    case(
        "rateLimiting requires sessionStorage with provider 'redis'",
        limited(json!({"rateLimiting": {"shared": bucket}})),
        json!({"image": "i", "rateLimiting": {"shared": bucket}, "sessionStorage": {"provider": "memory"}}),
    );
    case(
        "rateLimiting.perUser requires authentication (oidcConfig, oidcConfigRef, or externalAuthConfigRef)",
        limited(with_oidc(&per_user)),
        limited(per_user),
    );
    case(
        "per-tool perUser rate limiting requires authentication (oidcConfig, oidcConfigRef, or externalAuthConfigRef)",
        limited(with_oidc(&per_tool)),
        limited(per_tool),
    );
    let base = |limits| limited(json!({"rateLimiting": limits}));
    cases.extend(limits(Kind::McpServer, ["spec.rateLimiting", "spec.rateLimiting.tools[0]"], base));
    cases
}

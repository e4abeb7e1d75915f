//! The rules between fields, as the API server evaluates them (CEL, spec 1.2 to 1.11). What `compile` says of
//! the same mistakes in a directory has the same words.
//!
//! A rule is estimated before it is accepted: what it goes through needs an upper bound (`maxItems`,
//! `maxLength`, `maxProperties`) where it stands.

use serde::Serialize;

/// One of `x-kubernetes-validations`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Rule {
    rule: &'static str,
    message: &'static str,
}

const fn rule(rule: &'static str, message: &'static str) -> Rule {
    Rule { rule, message }
}

const ONE_AUTHZ: Rule = rule(
    "!(has(self.authzConfig) && has(self.authzConfigRef))",
    "authzConfig and authzConfigRef are mutually exclusive; use authzConfigRef to reference a shared MCPAuthzConfig",
);
const ONE_OIDC: Rule = rule(
    "!(has(self.oidcConfig) && has(self.oidcConfigRef))",
    "oidcConfig and oidcConfigRef are mutually exclusive; use oidcConfigRef to reference a shared MCPOIDCConfig",
);
const INLINE_IF_INLINE: Rule = rule(
    "self.type == 'inline' ? has(self.inline) : !has(self.inline)",
    "inline must be set when type is 'inline', and must not be set otherwise",
);

pub(crate) const MCP_SERVER: [Rule; 5] = [
    ONE_AUTHZ,
    ONE_OIDC,
    rule(
        "!has(self.rateLimiting) || has(self.sessionStorage) && self.sessionStorage.provider == 'redis'",
        "rateLimiting requires sessionStorage with provider 'redis'",
    ),
    rule(
        "!has(self.rateLimiting) || !has(self.rateLimiting.perUser) || has(self.oidcConfig) || \
         has(self.oidcConfigRef) || has(self.externalAuthConfigRef)",
        "rateLimiting.perUser requires authentication (oidcConfig, oidcConfigRef, or externalAuthConfigRef)",
    ),
    rule(
        "!has(self.rateLimiting) || !has(self.rateLimiting.tools) || has(self.oidcConfig) || \
         has(self.oidcConfigRef) || has(self.externalAuthConfigRef) || \
         self.rateLimiting.tools.all(tool, !has(tool.perUser))",
        "per-tool perUser rate limiting requires authentication (oidcConfig, oidcConfigRef, or externalAuthConfigRef)",
    ),
];

pub(crate) const MCP_REMOTE_PROXY: [Rule; 2] = [ONE_AUTHZ, ONE_OIDC];

pub(crate) const VIRTUAL_MCP_SERVER: [Rule; 4] = [
    rule(
        "!has(self.config) || !has(self.config.rateLimiting) || has(self.sessionStorage) && \
         self.sessionStorage.provider == 'redis'",
        "config.rateLimiting requires sessionStorage with provider 'redis'",
    ),
    rule(
        "!has(self.config) || !has(self.config.rateLimiting) || !has(self.config.rateLimiting.perUser) || \
         self.incomingAuth.type == 'oidc'",
        "config.rateLimiting.perUser requires incomingAuth.type oidc",
    ),
    rule(
        "!has(self.config) || !has(self.config.rateLimiting) || !has(self.config.rateLimiting.tools) || \
         self.incomingAuth.type == 'oidc' || self.config.rateLimiting.tools.all(tool, !has(tool.perUser))",
        "per-tool perUser rate limiting requires incomingAuth.type oidc",
    ),
    rule(
        "!has(self.embeddingServerRef) || !has(self.config) || !has(self.config.optimizer) || \
         !has(self.config.optimizer.embeddingProvider) || self.config.optimizer.embeddingProvider != 'openai'",
        "embeddingServerRef cannot be combined with optimizer.embeddingProvider openai",
    ),
];

pub(crate) const INCOMING_AUTH: [Rule; 3] = [
    rule(
        "self.type != 'oidc' || has(self.oidcConfig) || has(self.oidcConfigRef)",
        "spec.incomingAuth.oidcConfig or oidcConfigRef is required when type is oidc",
    ),
    ONE_OIDC,
    ONE_AUTHZ,
];

pub(crate) const AUTHZ_CONFIG: [Rule; 2] = [
    rule(
        "self.type == 'configMap' ? has(self.configMap) : !has(self.configMap)",
        "configMap must be set when type is 'configMap', and must not be set otherwise",
    ),
    INLINE_IF_INLINE,
];

pub(crate) const CIRCUIT_BREAKER: [Rule; 1] =
    [rule("!has(self.timeout) || duration(self.timeout) >= duration('1s')", "timeout must be >= 1s")];

pub(crate) const SESSION_STORAGE: [Rule; 1] =
    [rule("self.provider != 'redis' || has(self.address)", "address is required")];

pub(crate) const RATE_LIMITING: [Rule; 1] = [rule(
    "has(self.shared) || has(self.perUser) || has(self.tools) && size(self.tools) > 0",
    "at least one of shared, perUser, or tools must be configured",
)];

pub(crate) const TOOL_RATE_LIMIT: [Rule; 1] =
    [rule("has(self.shared) || has(self.perUser)", "at least one of shared or perUser must be configured")];

pub(crate) const MCP_OIDC_CONFIG: [Rule; 2] = [
    rule(
        "self.type == 'kubernetesServiceAccount' ? has(self.kubernetesServiceAccount) : \
         !has(self.kubernetesServiceAccount)",
        "kubernetesServiceAccount must be set when type is 'kubernetesServiceAccount', and must not be set otherwise",
    ),
    INLINE_IF_INLINE,
];

pub(crate) const OPEN_TELEMETRY: [Rule; 1] = [rule(
    "!has(self.headers) || !has(self.sensitiveHeaders) || \
     self.sensitiveHeaders.all(header, !(header.name in self.headers))",
    "a header name cannot appear in both headers and sensitiveHeaders",
)];

pub(crate) const MCP_EXTERNAL_AUTH_CONFIG: [Rule; 9] = [
    rule(
        "self.type == 'tokenExchange' ? has(self.tokenExchange) : !has(self.tokenExchange)",
        "tokenExchange configuration must be set if and only if type is 'tokenExchange'",
    ),
    rule(
        "self.type == 'headerInjection' ? has(self.headerInjection) : !has(self.headerInjection)",
        "headerInjection configuration must be set if and only if type is 'headerInjection'",
    ),
    rule(
        "self.type == 'bearerToken' ? has(self.bearerToken) : !has(self.bearerToken)",
        "bearerToken configuration must be set if and only if type is 'bearerToken'",
    ),
    rule(
        "self.type == 'embeddedAuthServer' ? has(self.embeddedAuthServer) : !has(self.embeddedAuthServer)",
        "embeddedAuthServer configuration must be set if and only if type is 'embeddedAuthServer'",
    ),
    rule(
        "self.type == 'awsSts' ? has(self.awsSts) : !has(self.awsSts)",
        "awsSts configuration must be set if and only if type is 'awsSts'",
    ),
    rule(
        "self.type == 'upstreamInject' ? has(self.upstreamInject) : !has(self.upstreamInject)",
        "upstreamInject configuration must be set if and only if type is 'upstreamInject'",
    ),
    rule(
        "self.type == 'obo' ? has(self.obo) : !has(self.obo)",
        "obo configuration must be set if and only if type is 'obo'",
    ),
    rule(
        "self.type == 'xaa' ? has(self.xaa) : !has(self.xaa)",
        "xaa configuration must be set if and only if type is 'xaa'",
    ),
    rule(
        "self.type != 'unauthenticated' || !has(self.tokenExchange) && !has(self.headerInjection) && \
         !has(self.bearerToken) && !has(self.embeddedAuthServer) && !has(self.awsSts) && \
         !has(self.upstreamInject) && !has(self.obo) && !has(self.xaa)",
        "no configuration must be set when type is 'unauthenticated'",
    ),
];

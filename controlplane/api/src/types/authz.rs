//! Authorisation policies: shared (MCPAuthzConfig, spec 1.9), and in place (spec 1.5.2).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{NonEmpty, Raw, rules};

/// Cedar policies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::AUTHZ_CONFIG))]
pub struct AuthzConfig {
    /// Where they are; default `configMap`.
    #[schemars(extend("default" = "configMap"))]
    pub r#type: Option<AuthzConfigType>,
    /// In a ConfigMap, key `authz.json` by default.
    pub config_map: Option<AuthzConfigMap>,
    /// In place.
    pub inline: Option<AuthzInline>,
    /// Claim with the caller's groups.
    #[schemars(length(max = 253))]
    pub group_claim_name: Option<String>,
    /// Claim with the caller's roles.
    #[schemars(length(max = 253))]
    pub role_claim_name: Option<String>,
    /// Cedar entity type of groups; default `THVGroup`.
    #[schemars(length(max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"), extend("default" = "THVGroup"))]
    pub group_entity_type: Option<String>,
}

/// `authzConfig.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AuthzConfigType {
    /// A ConfigMap.
    ConfigMap,
    /// In place.
    Inline,
}

/// Cedar policies in a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthzConfigMap {
    /// Name of the ConfigMap.
    pub name: NonEmpty,
    /// Its key; default `authz.json`.
    #[schemars(extend("default" = "authz.json"))]
    pub key: Option<String>,
}

/// Cedar policies in place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthzInline {
    /// Policies in Cedar's language.
    #[schemars(length(min = 1))]
    pub policies: Vec<String>,
    /// Entities as JSON; default `[]`.
    #[schemars(extend("default" = "[]"))]
    pub entities_json: Option<String>,
    /// Obsolete: now in `authServerConfig`.
    pub primary_upstream_provider: Option<String>,
}

/// MCPAuthzConfig: policies that servers share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpAuthzConfigSpec {
    /// Who decides; a virtual server takes `cedarv1` only.
    pub r#type: NonEmpty,
    /// Settings of that kind, for `cedarv1`: `policies`, `entities_json`, `primary_upstream_provider`,
    /// `group_claim_name`, `role_claim_name`, `group_entity_type`.
    pub config: Raw,
}

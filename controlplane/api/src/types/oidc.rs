//! OIDC settings: shared (MCPOIDCConfig, spec 1.7), and in place as in the guide (spec 1.5.2).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{CaBundleSource, NonEmpty, SecretKeyRef, rules};

/// Reference to an MCPOIDCConfig.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcConfigRef {
    /// Its name.
    pub name: NonEmpty,
    /// Audience that tokens must have.
    pub audience: NonEmpty,
    /// Scopes to advertise.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Public URL of the protected resource.
    pub resource_url: Option<String>,
}

/// OIDC settings in place, as in the guide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OidcConfig {
    /// Where the settings are; default `kubernetes`.
    #[schemars(extend("default" = "kubernetes"))]
    pub r#type: Option<OidcConfigType>,
    /// Public URL of the protected resource.
    pub resource_url: Option<String>,
    /// For service account tokens.
    pub kubernetes: Option<OidcKubernetes>,
    /// In a ConfigMap.
    pub config_map: Option<OidcConfigMap>,
    /// In place.
    pub inline: Option<OidcInline>,
}

/// `oidcConfig.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OidcConfigType {
    /// Service account tokens of this cluster.
    Kubernetes,
    /// A ConfigMap.
    ConfigMap,
    /// In place.
    Inline,
}

/// Service account tokens as credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OidcKubernetes {
    /// Only this service account.
    pub service_account: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Audience that tokens must have; default `toolhive`.
    #[schemars(extend("default" = "toolhive"))]
    pub audience: Option<String>,
    /// Issuer URL; default `https://kubernetes.default.svc`.
    #[schemars(extend("default" = "https://kubernetes.default.svc"))]
    pub issuer: Option<String>,
    /// Where the keys are.
    pub jwks_url: Option<String>,
    /// Where opaque tokens are introspected.
    pub introspection_url: Option<String>,
    /// Fetch keys with the cluster's CA and the pod's token; default true.
    #[schemars(extend("default" = true))]
    pub use_cluster_auth: Option<bool>,
}

/// OIDC settings in a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcConfigMap {
    /// Its name.
    pub name: NonEmpty,
    /// Its key; default `oidc.json`.
    #[schemars(extend("default" = "oidc.json"))]
    pub key: Option<String>,
    /// Certificates to trust.
    pub ca_bundle_ref: Option<CaBundleSource>,
}

/// OIDC settings of one issuer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcInline {
    /// Issuer URL.
    pub issuer: NonEmpty,
    /// Audience that tokens must have.
    pub audience: Option<String>,
    /// Where the keys are.
    pub jwks_url: Option<String>,
    /// Where opaque tokens are introspected.
    pub introspection_url: Option<String>,
    /// For introspection.
    pub client_id: Option<String>,
    /// For introspection.
    pub client_secret_ref: Option<SecretKeyRef>,
    /// Certificates to trust.
    pub ca_bundle_ref: Option<CaBundleSource>,
    /// File with the bearer token for fetching keys.
    pub jwks_auth_token_path: Option<String>,
    /// Keys may be at a private address.
    #[serde(rename = "jwksAllowPrivateIP")]
    pub jwks_allow_private_ip: Option<bool>,
    /// The issuer may be at a private address.
    #[serde(rename = "protectedResourceAllowPrivateIP")]
    pub protected_resource_allow_private_ip: Option<bool>,
    /// The issuer may be plain HTTP.
    #[serde(rename = "insecureAllowHTTP")]
    pub insecure_allow_http: Option<bool>,
    /// Scopes to advertise.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// MCPOIDCConfig: OIDC settings that servers share. The block named like the type is set, and no other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::MCP_OIDC_CONFIG))]
pub struct McpOidcConfigSpec {
    /// Where tokens come from.
    pub r#type: OidcSource,
    /// For service account tokens.
    pub kubernetes_service_account: Option<SharedOidcKubernetes>,
    /// For the tokens of one issuer.
    pub inline: Option<SharedOidcInline>,
}

/// `type` of an MCPOIDCConfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OidcSource {
    /// Service account tokens of this cluster.
    KubernetesServiceAccount,
    /// The tokens of one issuer.
    Inline,
}

/// Service account tokens as credentials. The audience is the referrer's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SharedOidcKubernetes {
    /// Only this service account.
    pub service_account: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Issuer URL; default `https://kubernetes.default.svc`.
    #[schemars(extend("default" = "https://kubernetes.default.svc"))]
    pub issuer: Option<String>,
    /// Where the keys are; default: as the issuer says.
    pub jwks_url: Option<String>,
    /// Where opaque tokens are introspected.
    pub introspection_url: Option<String>,
    /// Fetch keys with the cluster's CA and the pod's token; default true.
    #[schemars(extend("default" = true))]
    pub use_cluster_auth: Option<bool>,
}

/// OIDC settings of one issuer. Audience, scopes and resource URL are the referrer's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedOidcInline {
    /// Issuer URL.
    pub issuer: NonEmpty,
    /// Where the keys are; default: as the issuer says.
    pub jwks_url: Option<String>,
    /// Where opaque tokens are introspected.
    pub introspection_url: Option<String>,
    /// For introspection.
    pub client_id: Option<String>,
    /// For introspection.
    pub client_secret_ref: Option<SecretKeyRef>,
    /// Certificates to trust.
    pub ca_bundle_ref: Option<CaBundleSource>,
    /// File with the bearer token for fetching keys.
    pub jwks_auth_token_path: Option<String>,
    /// Keys may be at a private address; default false.
    #[serde(rename = "jwksAllowPrivateIP")]
    pub jwks_allow_private_ip: Option<bool>,
    /// The same as `jwksAllowPrivateIP`: either allows both.
    #[serde(rename = "protectedResourceAllowPrivateIP")]
    pub protected_resource_allow_private_ip: Option<bool>,
    /// The issuer may be plain HTTP; default false.
    #[serde(rename = "insecureAllowHTTP")]
    pub insecure_allow_http: Option<bool>,
}

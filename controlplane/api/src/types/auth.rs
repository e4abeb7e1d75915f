//! Authentication and authorisation blocks (spec 1.0, 1.5.2).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{CaBundleSource, ConfigMapKeyRef, NameRef, NonEmpty, SecretKeyRef};

/// `spec.incomingAuth`: client to virtual server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncomingAuth {
    /// How clients are told apart.
    pub r#type: IncomingAuthType,
    /// Shared OIDC settings.
    pub oidc_config_ref: Option<OidcConfigRef>,
    /// OIDC settings written in place, as before v0.21.
    pub oidc_config: Option<OidcConfig>,
    /// Cedar policies in place.
    pub authz_config: Option<AuthzConfig>,
    /// Shared Cedar policies.
    pub authz_config_ref: Option<NameRef>,
}

/// `incomingAuth.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncomingAuthType {
    /// Anybody may call.
    Anonymous,
    /// A bearer token is required.
    Oidc,
}

/// Reference to an MCPOIDCConfig.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OidcConfig {
    /// Where the settings are; default `kubernetes`.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OidcKubernetes {
    /// Only this service account.
    pub service_account: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Default `toolhive`.
    pub audience: Option<String>,
    /// Default `https://kubernetes.default.svc`.
    pub issuer: Option<String>,
    /// Where the keys are.
    pub jwks_url: Option<String>,
    /// Where opaque tokens are introspected.
    pub introspection_url: Option<String>,
    /// Fetch keys with the cluster's CA and the pod's token; default true.
    pub use_cluster_auth: Option<bool>,
}

/// OIDC settings in a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcConfigMap {
    /// Its name.
    pub name: NonEmpty,
    /// Default `oidc.json`.
    pub key: Option<String>,
    /// Certificates to trust.
    pub ca_bundle_ref: Option<CaBundleSource>,
}

/// OIDC settings of one issuer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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

/// Cedar policies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthzConfig {
    /// Where they are; default `configMap`.
    pub r#type: Option<AuthzConfigType>,
    /// In a ConfigMap, key `authz.json` by default.
    pub config_map: Option<ConfigMapKeyRef>,
    /// In place.
    pub inline: Option<AuthzInline>,
    /// Claim with the caller's groups.
    pub group_claim_name: Option<String>,
    /// Claim with the caller's roles.
    pub role_claim_name: Option<String>,
    /// Cedar entity type of groups; default `THVGroup`.
    pub group_entity_type: Option<String>,
}

/// `authzConfig.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthzConfigType {
    /// A ConfigMap.
    ConfigMap,
    /// In place.
    Inline,
}

/// Cedar policies in place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthzInline {
    /// Policies in Cedar's language.
    pub policies: Vec<String>,
    /// Entities as JSON; default `[]`.
    pub entities_json: Option<String>,
    /// Obsolete: now in `authServerConfig`.
    pub primary_upstream_provider: Option<String>,
}

/// `spec.outgoingAuth`: virtual server to backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OutgoingAuth {
    /// Where settings come from; default `discovered`.
    pub source: Option<OutgoingAuthSource>,
    /// For backends without settings of their own.
    pub default: Option<BackendAuthConfig>,
    /// By backend name; wins over what the backend says.
    pub backends: BTreeMap<String, BackendAuthConfig>,
}

/// `outgoingAuth.source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutgoingAuthSource {
    /// From the backends' resources.
    Discovered,
    /// Only what is written here.
    Inline,
}

/// How to authenticate to one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BackendAuthConfig {
    /// Required; checked where the entry's name is known.
    pub r#type: Option<BackendAuthType>,
    /// The MCPExternalAuthConfig to use.
    pub external_auth_config_ref: Option<NameRef>,
}

/// `outgoingAuth.backends[].type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackendAuthType {
    /// What the backend's resource says; nothing in inline mode.
    Discovered,
    /// An MCPExternalAuthConfig.
    #[serde(alias = "external_auth_config_ref")]
    ExternalAuthConfigRef,
}

/// Headers to add to every request to a backend (spec 6.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HeaderForward {
    /// By name.
    pub add_plaintext_headers: BTreeMap<String, String>,
    /// With values from Secrets.
    pub add_headers_from_secret: Vec<HeaderFromSecret>,
}

/// A header with its value in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderFromSecret {
    /// 1 to 255 characters.
    pub header_name: NonEmpty,
    /// Where the value is.
    pub value_secret_ref: SecretKeyRef,
}

//! The embedded authorisation server (spec 6.5). What lies below the settings that the specification names is
//! kept as it is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{NonEmpty, Raw, SecretKeyRef};
use crate::duration::GoDuration;

const BASE_URL: &str = r"^https?://[^\s?#]+[^/\s?#]$";

/// An authorisation server of the virtual server's own: it logs callers in at upstream providers and issues one
/// token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddedAuthServer {
    /// Issuer URL, without a slash at the end.
    #[schemars(regex(pattern = BASE_URL))]
    pub issuer: NonEmpty,
    /// Base of the authorisation endpoint that browsers go to; default: the issuer.
    #[schemars(regex(pattern = BASE_URL))]
    pub authorization_endpoint_base_url: Option<String>,
    /// Keys for tokens, at most 5; the first signs.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub signing_key_secret_refs: Vec<SecretKeyRef>,
    /// Keys for codes and refresh tokens; the first is the present one.
    #[serde(default)]
    pub hmac_secret_refs: Vec<SecretKeyRef>,
    /// How long tokens are valid.
    pub token_lifespans: Option<TokenLifespans>,
    /// Where callers log in, in this order.
    #[serde(default)]
    pub upstream_providers: Vec<UpstreamProvider>,
    /// The provider whose claims policies see; default: the first.
    #[schemars(regex(pattern = PROVIDER_NAME), length(max = 63))]
    pub primary_upstream_provider: Option<NonEmpty>,
    /// Where logins are stored.
    pub storage: Option<AuthServerStorage>,
    /// Do not show upstream tokens to backends; default false.
    pub disable_upstream_token_injection: Option<bool>,
    /// The issuer may be plain HTTP; default false.
    #[serde(rename = "insecureAllowHTTP")]
    pub insecure_allow_http: Option<bool>,
    /// Scopes that every client may ask for.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub baseline_client_scopes: Vec<String>,
    /// Clients with a secret may register; default false.
    pub allow_confidential_client_registration: Option<bool>,
    /// Clients that may exchange tokens.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub delegate_clients: Vec<Raw>,
    /// Issuers whose tokens are taken for an exchange or a grant.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub trusted_issuers: Vec<Raw>,
    /// Redirect URIs whose clients are given a secret.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub force_confidential_redirect_uris: Vec<String>,
    /// Clients named by the URL of their metadata.
    pub cimd: Option<Cimd>,
}

const PROVIDER_NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

/// How long tokens are valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TokenLifespans {
    /// Default 1h.
    pub access_token_lifespan: Option<GoDuration>,
    /// Default 168h.
    pub refresh_token_lifespan: Option<GoDuration>,
    /// Default 10m.
    pub auth_code_lifespan: Option<GoDuration>,
}

/// Where callers log in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamProvider {
    /// Unique name, of lower-case letters, digits and hyphens.
    #[schemars(regex(pattern = PROVIDER_NAME), length(max = 63))]
    pub name: NonEmpty,
    /// What it speaks.
    pub r#type: UpstreamProviderType,
    /// For `oidc`.
    pub oidc_config: Option<Raw>,
    /// For `oauth2`.
    #[serde(rename = "oauth2Config")]
    pub oauth2_config: Option<Raw>,
}

/// `upstreamProviders[].type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProviderType {
    /// OpenID Connect with discovery.
    Oidc,
    /// OAuth 2.0 with endpoints given.
    Oauth2,
}

/// Where logins are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AuthServerStorage {
    /// Default `memory`.
    #[schemars(extend("default" = "memory"))]
    pub r#type: Option<super::SessionProvider>,
    /// For `redis`.
    pub redis: Option<Raw>,
}

/// Clients named by the URL of their metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Cimd {
    /// Default false.
    pub enabled: bool,
    /// Documents that are kept; default 256.
    #[schemars(range(min = 1))]
    pub cache_max_size: Option<u32>,
    /// How long they are kept; default 5m.
    pub cache_fallback_ttl: Option<GoDuration>,
}

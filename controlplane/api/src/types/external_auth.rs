//! MCPExternalAuthConfig: the credential that a backend is shown (spec 1.8).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{EmbeddedAuthServer, NonEmpty, SecretKeyRef, rules};
use crate::duration::GoDuration;

/// MCPExternalAuthConfig: the credential that a backend is shown. The block named like the type is set, and no
/// other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::MCP_EXTERNAL_AUTH_CONFIG))]
pub struct McpExternalAuthConfigSpec {
    /// How the credential is come by.
    pub r#type: ExternalAuthType,
    /// Exchange of the caller's token.
    pub token_exchange: Option<TokenExchange>,
    /// A header of its own.
    pub header_injection: Option<HeaderInjection>,
    /// A bearer token.
    pub bearer_token: Option<BearerToken>,
    /// Embedded authorisation server.
    pub embedded_auth_server: Option<EmbeddedAuthServer>,
    /// Temporary credentials of AWS.
    pub aws_sts: Option<AwsSts>,
    /// The token of an upstream login.
    pub upstream_inject: Option<UpstreamInject>,
    /// On behalf of the caller at Microsoft Entra.
    pub obo: Option<Obo>,
    /// Cross-application access by two exchanges.
    pub xaa: Option<Xaa>,
}

/// `type` of an MCPExternalAuthConfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExternalAuthType {
    /// The caller's token is exchanged (RFC 8693).
    TokenExchange,
    /// A header with a value from a Secret.
    HeaderInjection,
    /// A bearer token from a Secret.
    BearerToken,
    /// No credential.
    Unauthenticated,
    /// Tokens of an embedded authorisation server.
    EmbeddedAuthServer,
    /// Requests are signed with temporary credentials of AWS.
    AwsSts,
    /// The token of the caller's login at an upstream provider.
    UpstreamInject,
    /// On behalf of the caller at Microsoft Entra; not served.
    Obo,
    /// Identity assertion grant over two authorisation servers.
    Xaa,
}

/// Exchange of the caller's token (RFC 8693).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenExchange {
    /// Token endpoint.
    pub token_url: NonEmpty,
    /// Client at the token endpoint.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret_ref: Option<SecretKeyRef>,
    /// Audience of the new token.
    pub audience: NonEmpty,
    /// Scopes of the new token.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Type of the caller's token: `access_token` (the default), `id_token`, `jwt`, or one of their URNs.
    #[schemars(regex(
        pattern = "^(access_token|id_token|jwt|urn:ietf:params:oauth:token-type:(access_token|id_token|jwt))?$"
    ))]
    pub subject_token_type: Option<String>,
    /// Header for the new token; default: `Authorization`.
    pub external_token_header_name: Option<String>,
    /// Upstream provider whose token is exchanged; default: the caller's own token.
    pub subject_provider_name: Option<String>,
}

/// A header with a value from a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderInjection {
    /// Name of the header.
    pub header_name: NonEmpty,
    /// Where the value is.
    pub value_secret_ref: SecretKeyRef,
}

/// A bearer token from a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BearerToken {
    /// Where the token is.
    pub token_secret_ref: SecretKeyRef,
}

/// Temporary credentials of AWS, with which requests are signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsSts {
    /// Region, as in `eu-west-1`.
    #[schemars(regex(pattern = r"^[a-z]{2}(-[a-z]+)+-\d+$"))]
    pub region: NonEmpty,
    /// Service that requests are signed for; default `aws-mcp`.
    #[schemars(extend("default" = "aws-mcp"))]
    pub service: Option<String>,
    /// Role when no mapping matches.
    #[schemars(regex(pattern = ROLE_ARN))]
    pub fallback_role_arn: Option<String>,
    /// Roles by what the caller's token says; the lowest priority that matches is taken.
    #[serde(default)]
    pub role_mappings: Vec<RoleMapping>,
    /// Claim that mappings look at; default `groups`.
    #[schemars(extend("default" = "groups"))]
    pub role_claim: Option<String>,
    /// Seconds that credentials are valid, from 900 to 43200; default 3600.
    #[schemars(range(min = 900, max = 43200), extend("default" = 3600))]
    pub session_duration: Option<u32>,
    /// Claim that names the session; default `sub`.
    #[schemars(extend("default" = "sub"))]
    pub session_name_claim: Option<String>,
    /// Upstream provider whose token is shown to AWS; default: the caller's own token.
    pub subject_provider_name: Option<String>,
}

const ROLE_ARN: &str = r"^arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/[\w+=,.@\-_/]+$";

/// A role for some callers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleMapping {
    /// Value that the role claim must have; or `matcher`.
    pub claim: Option<NonEmpty>,
    /// CEL expression over `claims`; or `claim`.
    pub matcher: Option<NonEmpty>,
    /// The role.
    #[schemars(regex(pattern = ROLE_ARN))]
    pub role_arn: NonEmpty,
    /// Lower comes first; absent comes last.
    pub priority: Option<u32>,
}

/// The token of the caller's login at an upstream provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamInject {
    /// Name of the provider.
    pub provider_name: NonEmpty,
}

/// On behalf of the caller at Microsoft Entra.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Obo {
    /// Tenant.
    pub tenant_id: Option<String>,
    /// Login host; default: that of the public cloud.
    pub authority: Option<String>,
    /// Client at the tenant.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret_ref: Option<SecretKeyRef>,
    /// Audience of the new token, when there are no scopes.
    pub audience: Option<String>,
    /// Scopes of the new token.
    pub scopes: Vec<String>,
    /// Upstream provider whose token is exchanged; default: the caller's own token.
    pub subject_token_provider_name: Option<String>,
    /// How long before its end a cached token is no longer used.
    pub cache_skew: Option<GoDuration>,
}

/// Identity assertion grant: an exchange at the caller's provider, then a grant at the target's server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Xaa {
    /// Token endpoint of the caller's provider.
    #[schemars(regex(pattern = "^https://.*$"))]
    pub idp_token_url: NonEmpty,
    /// Client there.
    pub idp_client_id: Option<String>,
    /// Its secret.
    pub idp_client_secret_ref: Option<SecretKeyRef>,
    /// Token endpoint of the target's server.
    pub target_token_url: NonEmpty,
    /// It may be plain HTTP; default false.
    #[serde(default)]
    pub insecure_target_token_url: bool,
    /// Client there.
    pub target_client_id: Option<String>,
    /// Its secret.
    pub target_client_secret_ref: Option<SecretKeyRef>,
    /// URL of the target's server, as the audience of the assertion.
    pub target_audience: NonEmpty,
    /// Resource to ask for (RFC 8707).
    pub target_resource: Option<String>,
    /// Scopes to ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Upstream provider whose ID token is exchanged; default: the first.
    pub subject_provider_name: Option<String>,
    /// Type of that token; default and only value: the URN of an ID token.
    #[schemars(extend("enum" = ["urn:ietf:params:oauth:token-type:id_token"]))]
    pub subject_token_type: Option<String>,
}

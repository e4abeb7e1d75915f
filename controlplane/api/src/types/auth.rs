//! Who may call a virtual server, and what it shows to backends (spec 1.5.2, 6.8).

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AuthzConfig, NameRef, NonEmpty, OidcConfig, OidcConfigRef, SecretKeyRef, rules};

/// `spec.incomingAuth`: client to virtual server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::INCOMING_AUTH))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IncomingAuthType {
    /// Anybody may call.
    Anonymous,
    /// A bearer token is required.
    Oidc,
}

/// `spec.outgoingAuth`: virtual server to backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OutgoingAuth {
    /// Where settings come from; default `discovered`.
    #[schemars(extend("default" = "discovered"))]
    pub source: Option<OutgoingAuthSource>,
    /// For backends without settings of their own.
    pub default: Option<BackendAuthConfig>,
    /// By backend name; wins over what the backend says.
    pub backends: BTreeMap<String, BackendAuthConfig>,
}

/// `outgoingAuth.source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutgoingAuthSource {
    /// From the backends' resources.
    Discovered,
    /// Only what is written here.
    Inline,
}

/// How to authenticate to one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BackendAuthConfig {
    /// Required; in a directory checked where the entry's name is known.
    #[schemars(required)]
    pub r#type: Option<BackendAuthType>,
    /// The MCPExternalAuthConfig to use.
    pub external_auth_config_ref: Option<NameRef>,
}

/// `outgoingAuth.backends[].type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = with_older_spelling)]
pub enum BackendAuthType {
    /// What the backend's resource says; nothing in inline mode.
    Discovered,
    /// An MCPExternalAuthConfig.
    #[serde(alias = "external_auth_config_ref")]
    ExternalAuthConfigRef,
}

/// The API server knows no aliases.
fn with_older_spelling(schema: &mut Schema) {
    if let Some(Value::Array(variants)) = schema.get_mut("oneOf") {
        let older =
            json!({"const": "external_auth_config_ref", "description": "The same, as it was once spelt."});
        variants.push(older);
    }
}

/// Headers to add to every request to a backend (spec 6.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HeaderForward {
    /// By name.
    pub add_plaintext_headers: BTreeMap<String, String>,
    /// With values from Secrets.
    pub add_headers_from_secret: Vec<HeaderFromSecret>,
}

/// A header with its value in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderFromSecret {
    /// Name of the header, 1 to 255 characters.
    #[schemars(length(max = 255))]
    pub header_name: NonEmpty,
    /// Where the value is.
    pub value_secret_ref: SecretKeyRef,
}

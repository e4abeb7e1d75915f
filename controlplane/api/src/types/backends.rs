//! MCPGroup and the three kinds of backends (spec 1.1 to 1.4).

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AuthzConfig, BackendAudit, CaBundleSource, EnvVar, GroupRef, HeaderForward, HttpTransport, HttpUrl,
    NameRef, NonEmpty, OidcConfig, OidcConfigRef, RateLimiting, Raw, Resources, SessionAffinity,
    SessionStorage, TelemetryConfigRef, rules,
};

/// MCPGroup: a set of backends that name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct McpGroupSpec {
    /// Free text.
    pub description: Option<String>,
}

/// MCPServer: a backend that is run.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::MCP_SERVER))]
pub struct McpServerSpec {
    /// Container image.
    pub image: NonEmpty,
    /// How the server speaks; default `stdio`.
    #[schemars(extend("default" = "stdio"))]
    pub transport: Option<ServerTransport>,
    /// HTTP face of a stdio server; default `streamable-http`.
    #[schemars(extend("default" = "streamable-http"))]
    pub proxy_mode: Option<HttpTransport>,
    /// Port of its Service; default 8080.
    #[schemars(extend("default" = 8080))]
    pub proxy_port: Option<NonZeroU16>,
    /// Port of the container; default 8080.
    pub mcp_port: Option<NonZeroU16>,
    /// Arguments of the container.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment of the container.
    #[serde(default)]
    pub env: Vec<EnvVar>,
    /// Host paths to mount.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// CPU and memory.
    pub resources: Option<Resources>,
    /// Secrets as environment variables.
    #[serde(default)]
    pub secrets: Vec<SecretEnv>,
    /// Service account of the pod.
    pub service_account: Option<String>,
    /// What the server may reach.
    pub permission_profile: Option<PermissionProfile>,
    /// Patch of the pod.
    pub pod_template_spec: Option<Raw>,
    /// Labels, annotations and the like of generated objects.
    pub resource_overrides: Option<ResourceOverrides>,
    /// Incoming OIDC at this server, shared settings.
    pub oidc_config_ref: Option<OidcConfigRef>,
    /// Incoming OIDC at this server, in place.
    pub oidc_config: Option<OidcConfig>,
    /// Cedar policies in place.
    pub authz_config: Option<AuthzConfig>,
    /// Shared Cedar policies.
    pub authz_config_ref: Option<NameRef>,
    /// Audit log.
    pub audit: Option<BackendAudit>,
    /// Filter and renaming of tools.
    pub tool_config_ref: Option<NameRef>,
    /// Credential towards it.
    pub external_auth_config_ref: Option<NameRef>,
    /// Embedded authorisation server.
    pub auth_server_ref: Option<AuthServerRef>,
    /// Webhooks.
    pub webhook_config_ref: Option<NameRef>,
    /// Telemetry, shared settings.
    pub telemetry_config_ref: Option<TelemetryConfigRef>,
    /// Telemetry in place, as before v1beta1.
    pub telemetry: Option<Raw>,
    /// Believe `X-Forwarded-*`.
    pub trust_proxy_headers: Option<bool>,
    /// Path prefix behind an ingress.
    pub endpoint_prefix: Option<String>,
    /// Its group.
    pub group_ref: Option<GroupRef>,
    /// Of its Service; default `ClientIP`.
    #[schemars(extend("default" = "ClientIP"))]
    pub session_affinity: Option<SessionAffinity>,
    /// Pods of the proxy; absent: an autoscaler's.
    pub replicas: Option<u32>,
    /// Pods of the server.
    pub backend_replicas: Option<u32>,
    /// Where sessions would be stored.
    pub session_storage: Option<SessionStorage>,
    /// Rate limits.
    pub rate_limiting: Option<RateLimiting>,
}

/// How an MCPServer speaks MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServerTransport {
    /// Standard input and output.
    Stdio,
    /// MCP 2025-03-26 and later.
    StreamableHttp,
    /// HTTP+SSE of MCP 2024-11-05.
    Sse,
}

/// A host path to mount.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Name of the volume.
    pub name: NonEmpty,
    /// Path on the node.
    pub host_path: NonEmpty,
    /// Path in the container.
    pub mount_path: NonEmpty,
    /// Default false.
    #[serde(default)]
    pub read_only: bool,
}

/// A Secret as an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretEnv {
    /// Name of the Secret.
    pub name: NonEmpty,
    /// Its key.
    pub key: NonEmpty,
    /// Name of the variable; default: the key.
    pub target_env_name: Option<String>,
}

/// Network and file sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionProfile {
    /// Where the profile is.
    pub r#type: PermissionProfileType,
    /// Its name.
    pub name: NonEmpty,
    /// Key in the ConfigMap.
    pub key: Option<String>,
}

/// `permissionProfile.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PermissionProfileType {
    /// One of the product's.
    Builtin,
    /// In a ConfigMap.
    Configmap,
}

/// What is added to generated objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ResourceOverrides {
    /// To the Deployment of the proxy.
    pub proxy_deployment: Option<ProxyDeploymentOverrides>,
    /// To the Service of the proxy.
    pub proxy_service: Option<MetadataOverrides>,
}

/// What is added to the Deployment of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ProxyDeploymentOverrides {
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// To its pods.
    pub pod_template_metadata_overrides: Option<MetadataOverrides>,
    /// Environment of the proxy.
    pub env: Vec<EnvVar>,
    /// Secrets with credentials for images.
    pub image_pull_secrets: Vec<NameRef>,
}

/// Metadata that is added to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MetadataOverrides {
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Reference to an embedded authorisation server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthServerRef {
    /// `MCPExternalAuthConfig`.
    pub kind: String,
    /// Its name.
    pub name: NonEmpty,
}

/// MCPRemoteProxy: a backend elsewhere. There is no proxy pod here; the gateway goes to the remote.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::MCP_REMOTE_PROXY))]
pub struct McpRemoteProxySpec {
    /// Where it is.
    pub remote_url: HttpUrl,
    /// It may be at a private address; default false.
    pub allow_private_endpoint: Option<bool>,
    /// Port of its Service; default 8080.
    #[schemars(extend("default" = 8080))]
    pub proxy_port: Option<NonZeroU16>,
    /// How the remote speaks; default `streamable-http`.
    #[schemars(extend("default" = "streamable-http"))]
    pub transport: Option<HttpTransport>,
    /// Incoming OIDC, shared settings.
    pub oidc_config_ref: Option<OidcConfigRef>,
    /// Incoming OIDC, in place.
    pub oidc_config: Option<OidcConfig>,
    /// Credential towards the remote.
    pub external_auth_config_ref: Option<NameRef>,
    /// Embedded authorisation server.
    pub auth_server_ref: Option<AuthServerRef>,
    /// Headers to add.
    pub header_forward: Option<HeaderForward>,
    /// Cedar policies in place.
    pub authz_config: Option<AuthzConfig>,
    /// Shared Cedar policies.
    pub authz_config_ref: Option<NameRef>,
    /// Audit log.
    pub audit: Option<BackendAudit>,
    /// Filter and renaming of tools.
    pub tool_config_ref: Option<NameRef>,
    /// Telemetry, shared settings.
    pub telemetry_config_ref: Option<TelemetryConfigRef>,
    /// Telemetry in place, as before v1beta1.
    pub telemetry: Option<Raw>,
    /// CPU and memory of the proxy.
    pub resources: Option<Resources>,
    /// Service account of the proxy.
    pub service_account: Option<String>,
    /// Patch of the proxy's pod.
    pub pod_template_spec: Option<Raw>,
    /// Labels, annotations and the like of generated objects.
    pub resource_overrides: Option<ResourceOverrides>,
    /// Believe `X-Forwarded-*`.
    pub trust_proxy_headers: Option<bool>,
    /// Path prefix behind an ingress.
    pub endpoint_prefix: Option<String>,
    /// Its group.
    pub group_ref: Option<GroupRef>,
    /// Of its Service; default `ClientIP`.
    #[schemars(extend("default" = "ClientIP"))]
    pub session_affinity: Option<SessionAffinity>,
    /// Pods of the proxy.
    pub replicas: Option<u32>,
    /// Where sessions would be stored.
    pub session_storage: Option<SessionStorage>,
}

/// MCPServerEntry: a backend elsewhere, without anything that is run for it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpServerEntrySpec {
    /// Where it is.
    pub remote_url: HttpUrl,
    /// Required, without a default.
    pub transport: HttpTransport,
    /// Required.
    pub group_ref: GroupRef,
    /// It may be at a private address; default false.
    pub allow_private_endpoint: Option<bool>,
    /// Credential towards it.
    pub external_auth_config_ref: Option<NameRef>,
    /// Headers to add.
    pub header_forward: Option<HeaderForward>,
    /// Certificates to trust.
    pub ca_bundle_ref: Option<CaBundleSource>,
}

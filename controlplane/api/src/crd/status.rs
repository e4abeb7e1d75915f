//! The shape of `status` of each kind (spec 1.1 to 1.11), for the CRDs only: the control plane writes statuses and
//! reads none.

use schemars::JsonSchema;

/// MCPGroup.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct McpGroupStatus {
    /// Whether the members are known; an empty group is ready.
    #[schemars(extend("default" = "Pending"))]
    pub phase: Option<GroupPhase>,
    /// What the phase means here.
    pub message: Option<String>,
    /// Names of the MCPServers, sorted.
    pub servers: Option<Vec<String>>,
    /// How many they are.
    pub server_count: Option<u32>,
    /// Names of the MCPRemoteProxies, sorted.
    pub remote_proxies: Option<Vec<String>>,
    /// How many they are.
    pub remote_proxy_count: Option<u32>,
    /// Names of the MCPServerEntries, sorted.
    pub entries: Option<Vec<String>>,
    /// How many they are.
    pub entry_count: Option<u32>,
    /// The edit of the spec that this status is about.
    pub observed_generation: Option<i64>,
    /// What was found, by type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// `status.phase` of an MCPGroup.
#[derive(JsonSchema)]
pub enum GroupPhase {
    /// Not looked at yet.
    Pending,
    /// The members are known.
    Ready,
    /// The members cannot be listed.
    Failed,
}

/// MCPServer.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct McpServerStatus {
    /// How the server is.
    pub phase: Option<ServerPhase>,
    /// What the phase means here.
    pub message: Option<String>,
    /// Where the server is reached.
    pub url: Option<String>,
    /// Pods that are ready.
    pub ready_replicas: Option<u32>,
    /// Of the MCPToolConfig in effect.
    pub tool_config_hash: Option<String>,
    /// Of the MCPExternalAuthConfig in effect.
    pub external_auth_config_hash: Option<String>,
    /// Of the authorisation server in effect.
    pub auth_server_config_hash: Option<String>,
    /// Of the MCPOIDCConfig in effect.
    pub oidc_config_hash: Option<String>,
    /// Of the MCPAuthzConfig in effect.
    pub authz_config_hash: Option<String>,
    /// Of the MCPTelemetryConfig in effect.
    pub telemetry_config_hash: Option<String>,
    /// Of the MCPWebhookConfig in effect.
    pub webhook_config_hash: Option<String>,
    /// The edit of the spec that this status is about.
    pub observed_generation: Option<i64>,
    /// What was found, by type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// `status.phase` of an MCPServer.
#[derive(JsonSchema)]
pub enum ServerPhase {
    /// No pod is ready yet.
    Pending,
    /// A pod is ready.
    Ready,
    /// It cannot run.
    Failed,
    /// It is being deleted.
    Terminating,
    /// It has no pods, as asked for.
    Stopped,
}

/// MCPRemoteProxy.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct McpRemoteProxyStatus {
    /// How the proxy is.
    pub phase: Option<ProxyPhase>,
    /// What the phase means here.
    pub message: Option<String>,
    /// Where the proxy is reached; without a path.
    pub url: Option<String>,
    /// Where it is reached from outside the cluster.
    pub external_url: Option<String>,
    /// Of the MCPToolConfig in effect.
    pub tool_config_hash: Option<String>,
    /// Of the MCPExternalAuthConfig in effect.
    pub external_auth_config_hash: Option<String>,
    /// Of the authorisation server in effect.
    pub auth_server_config_hash: Option<String>,
    /// Of the MCPOIDCConfig in effect.
    pub oidc_config_hash: Option<String>,
    /// Of the MCPAuthzConfig in effect.
    pub authz_config_hash: Option<String>,
    /// Of the MCPTelemetryConfig in effect.
    pub telemetry_config_hash: Option<String>,
    /// The edit of the spec that this status is about.
    pub observed_generation: Option<i64>,
    /// What was found, by type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// `status.phase` of an MCPRemoteProxy.
#[derive(JsonSchema)]
pub enum ProxyPhase {
    /// Not served yet.
    Pending,
    /// Served.
    Ready,
    /// Cannot be served.
    Failed,
    /// It is being deleted.
    Terminating,
}

/// MCPServerEntry.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct McpServerEntryStatus {
    /// Whether the entry can be used.
    pub phase: Option<EntryPhase>,
    /// What the phase means here.
    pub message: Option<String>,
    /// The edit of the spec that this status is about.
    pub observed_generation: Option<i64>,
    /// What was found, by type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// `status.phase` of an MCPServerEntry.
#[derive(JsonSchema)]
pub enum EntryPhase {
    /// What it refers to is there, and its URL is allowed.
    Valid,
    /// Not looked at yet.
    Pending,
    /// It cannot be used.
    Failed,
}

/// VirtualMCPServer.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct VirtualMcpServerStatus {
    /// How the virtual server is.
    #[schemars(extend("default" = "Pending"))]
    pub phase: Option<VirtualServerPhase>,
    /// What the phase means here.
    pub message: Option<String>,
    /// Where it is reached in the cluster; MCP is at `/mcp`.
    pub url: Option<String>,
    /// Backends that answer: those that are `ready` or `unauthenticated`.
    pub backend_count: Option<u32>,
    /// The backends, by name.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub discovered_backends: Option<Vec<DiscoveredBackend>>,
    /// Of the MCPAuthzConfig in effect.
    pub authz_config_hash: Option<String>,
    /// Of the MCPOIDCConfig in effect.
    pub oidc_config_hash: Option<String>,
    /// Of the MCPTelemetryConfig in effect.
    pub telemetry_config_hash: Option<String>,
    /// The edit of the spec that this status is about.
    pub observed_generation: Option<i64>,
    /// What was found, by type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// `status.phase` of a VirtualMCPServer.
#[derive(JsonSchema)]
pub enum VirtualServerPhase {
    /// Not served yet.
    Pending,
    /// Served, with all its backends.
    Ready,
    /// Served, without some of its backends.
    Degraded,
    /// Not served, or without any backend.
    Failed,
}

/// A backend of a virtual server.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct DiscoveredBackend {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: Option<String>,
    /// How it is.
    pub status: Option<BackendState>,
    /// The MCPExternalAuthConfig it is shown a credential by.
    pub auth_config_ref: Option<String>,
    /// How it is shown a credential, as in `header_injection`.
    pub auth_type: Option<String>,
    /// When it was last checked.
    #[schemars(extend("format" = "date-time"))]
    pub last_health_check: Option<String>,
    /// What the status means here.
    pub message: Option<String>,
    /// Of the circuit breaker, if there is one.
    pub circuit_breaker_state: Option<BreakerState>,
    /// When it last changed.
    #[schemars(extend("format" = "date-time"))]
    pub circuit_last_changed: Option<String>,
    /// Failures since the last success.
    pub consecutive_failures: Option<u32>,
    /// Revision of MCP that the backend speaks.
    pub mcp_revision: Option<String>,
}

/// How a backend is.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum BackendState {
    /// It answers.
    Ready,
    /// It answers, but not well.
    Degraded,
    /// It does not answer.
    Unavailable,
    /// It answers, but wants a credential.
    Unauthenticated,
    /// It is not checked, or not yet.
    Unknown,
}

/// State of a circuit breaker.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// Requests are refused.
    Open,
    /// A request is let through to see.
    HalfOpen,
}

/// VirtualMCPCompositeToolDefinition.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct CompositeToolDefinitionStatus {
    /// Whether it can be used.
    pub validation_status: Option<ValidationStatus>,
    /// What is wrong with it.
    pub validation_errors: Option<Vec<String>>,
    /// Names of the VirtualMCPServers that refer to it.
    pub referencing_virtual_servers: Option<Vec<String>>,
    /// The edit of the spec that this status is about.
    pub observed_generation: Option<i64>,
    /// What was found, by type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// `status.validationStatus` of a VirtualMCPCompositeToolDefinition.
#[derive(JsonSchema)]
pub enum ValidationStatus {
    /// It can be used.
    Valid,
    /// It cannot.
    Invalid,
    /// Not looked at yet.
    Unknown,
}

/// MCPOIDCConfig, MCPExternalAuthConfig, MCPAuthzConfig, MCPToolConfig and MCPTelemetryConfig.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// Digest of the spec; those that refer to it follow when it changes.
    pub config_hash: Option<String>,
    /// The edit of the spec that this status is about.
    pub observed_generation: Option<i64>,
    /// What was found, by type.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// A condition, with the bounds that Kubernetes sets.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[schemars(length(max = 316), regex(pattern = CONDITION_TYPE))]
    pub r#type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    #[schemars(length(min = 1, max = 1024), regex(pattern = CONDITION_REASON))]
    pub reason: String,
    /// Why, for people.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// Since when.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// The edit of the spec that this condition is about.
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}

const CONDITION_TYPE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
const CONDITION_REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

/// Whether a condition holds.
#[derive(JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

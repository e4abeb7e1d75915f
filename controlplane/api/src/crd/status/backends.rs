//! MCPServer, MCPRemoteProxy and MCPServerEntry (spec 1.2 to 1.4).

use schemars::JsonSchema;

use super::Observed;

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
    /// Digests of what it refers to.
    #[schemars(flatten)]
    pub references: References,
    /// Of the MCPWebhookConfig in effect.
    pub webhook_config_hash: Option<String>,
    /// What every status has.
    #[schemars(flatten)]
    pub observed: Observed,
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
    /// Digests of what it refers to.
    #[schemars(flatten)]
    pub references: References,
    /// What every status has.
    #[schemars(flatten)]
    pub observed: Observed,
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
    /// What every status has.
    #[schemars(flatten)]
    pub observed: Observed,
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

/// Digests of what a server refers to: it follows when they change.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct References {
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
}

//! The shape of `status` of each kind (spec 1.1 to 1.11), for the CRDs only: the control plane writes statuses and
//! reads none.

mod backends;
mod condition;
mod virtual_server;

use schemars::JsonSchema;

pub use backends::*;
pub use condition::*;
pub use virtual_server::*;

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
    /// What every status has.
    #[schemars(flatten)]
    pub observed: Observed,
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
    /// What every status has.
    #[schemars(flatten)]
    pub observed: Observed,
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
    /// What every status has.
    #[schemars(flatten)]
    pub observed: Observed,
}

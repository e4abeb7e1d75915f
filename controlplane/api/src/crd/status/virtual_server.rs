//! VirtualMCPServer (spec 1.5.5).

use schemars::JsonSchema;

use super::Observed;

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
    /// What every status has.
    #[schemars(flatten)]
    pub observed: Observed,
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

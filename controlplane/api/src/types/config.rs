//! `spec.config` of a VirtualMCPServer (spec 1.5.3). The CRD preserves unknown fields here.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::Deserialize;

use super::{
    Audit, CodeMode, CompositeTool, HttpTransport, HttpUrl, NameRef, NonEmpty, RateLimiting, Raw,
    SessionStorage, ToolAnnotations,
};
use crate::duration::GoDuration;

/// `spec.config`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Filled by the operator.
    pub name: Option<String>,
    /// The group, as written before v0.20.
    pub group_ref: Option<String>,
    /// The exact list of backends (inline mode).
    pub backends: Vec<InlineBackend>,
    /// Runtime form, written by the operator.
    pub incoming_auth: Option<Raw>,
    /// Runtime form, written by the operator.
    pub outgoing_auth: Option<Raw>,
    /// How tools of several backends become one list.
    pub aggregation: Option<Aggregation>,
    /// Workflows in place.
    pub composite_tools: Vec<CompositeTool>,
    /// Shared workflows.
    pub composite_tool_refs: Vec<NameRef>,
    /// Timeouts, health, breaker.
    pub operational: Option<Operational>,
    /// Free text by key.
    pub metadata: BTreeMap<String, String>,
    /// Audit log.
    pub audit: Option<Audit>,
    /// Tool search in place of the tool list (spec 8.1).
    pub optimizer: Option<Raw>,
    /// Scripts as a tool.
    pub code_mode: Option<CodeMode>,
    /// Rate limits.
    pub rate_limiting: Option<RateLimiting>,
    /// Runtime copy.
    pub session_storage: Option<SessionStorage>,
    /// Runtime copy.
    pub passthrough_headers: Vec<String>,
    /// Telemetry in place, as before v1beta1.
    pub telemetry: Option<Raw>,
}

/// One backend of inline mode.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InlineBackend {
    /// Name within the virtual server.
    pub name: NonEmpty,
    /// Where it is.
    pub url: HttpUrl,
    /// How it speaks.
    pub transport: HttpTransport,
    /// Local, or remote (`entry`).
    pub r#type: Option<InlineBackendType>,
    /// File with certificates to trust; only with `entry`.
    pub ca_bundle_path: Option<String>,
    /// Free text by key; `group` is reserved.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// `backends[].type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InlineBackendType {
    /// Beside the gateway.
    #[serde(rename = "")]
    Local,
    /// Elsewhere.
    Entry,
}

/// `config.aggregation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Aggregation {
    /// Default `prefix`.
    pub conflict_resolution: Option<ConflictStrategy>,
    /// Details of the strategy.
    pub conflict_resolution_config: Option<ConflictResolutionConfig>,
    /// Settings by backend.
    pub tools: Vec<WorkloadToolConfig>,
    /// Advertise no backend tools.
    pub exclude_all_tools: bool,
    /// Visibility of backends without an entry in `tools`; default `allow`.
    pub default_tool_visibility: Option<ToolVisibility>,
}

/// `aggregation.conflictResolution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictStrategy {
    /// Every tool gets its backend's name before its own.
    Prefix,
    /// The earliest of a list keeps a contested name.
    Priority,
    /// Contested names must be renamed.
    Manual,
}

/// `aggregation.conflictResolutionConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ConflictResolutionConfig {
    /// Default `{workload}_`.
    pub prefix_format: Option<String>,
    /// Required for `priority`.
    pub priority_order: Vec<String>,
}

/// `aggregation.defaultToolVisibility`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolVisibility {
    /// Advertised.
    Allow,
    /// Hidden.
    Deny,
}

/// `aggregation.tools[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WorkloadToolConfig {
    /// Required; checked where the index is known.
    pub workload: String,
    /// Shared filter and renaming.
    pub tool_config_ref: Option<NameRef>,
    /// Names to advertise; empty: all.
    pub filter: Vec<String>,
    /// By the backend's name of the tool.
    pub overrides: BTreeMap<String, ToolOverride>,
    /// Advertise none.
    pub exclude_all: bool,
}

/// What replaces parts of a tool's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ToolOverride {
    /// Name before conflict resolution.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Hints.
    pub annotations: Option<ToolAnnotations>,
}

/// `config.operational`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Operational {
    /// `debug`: each request is logged.
    pub log_level: Option<LogLevel>,
    /// Bounds of backend requests.
    pub timeouts: Option<Timeouts>,
    /// Health, breaker, partial failures.
    pub failure_handling: Option<FailureHandling>,
}

/// `operational.logLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// The only one.
    Debug,
}

/// `operational.timeouts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Timeouts {
    /// Default 30s.
    pub default: Option<GoDuration>,
    /// By backend name.
    pub per_workload: BTreeMap<String, GoDuration>,
}

/// `operational.failureHandling`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FailureHandling {
    /// Default 30s.
    pub health_check_interval: Option<GoDuration>,
    /// Default 3.
    pub unhealthy_threshold: Option<i64>,
    /// Default 10s.
    pub health_check_timeout: Option<GoDuration>,
    /// Default 30s.
    pub status_reporting_interval: Option<GoDuration>,
    /// Absent: as `best_effort`.
    pub partial_failure_mode: Option<PartialFailureMode>,
    /// Absent: off.
    pub circuit_breaker: Option<CircuitBreaker>,
}

/// `failureHandling.partialFailureMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartialFailureMode {
    /// Fail what needs a backend that is missing.
    Fail,
    /// Answer from the others.
    BestEffort,
}

/// `failureHandling.circuitBreaker`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Default false.
    pub enabled: bool,
    /// Default 5.
    pub failure_threshold: Option<NonZeroU32>,
    /// Default 60s.
    pub timeout: Option<GoDuration>,
}

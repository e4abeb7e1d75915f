//! `spec.config` of a VirtualMCPServer (spec 1.5.3). The CRD preserves unknown fields here.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Audit, CodeMode, CompositeTool, HttpTransport, HttpUrl, NameRef, NonEmpty, Optimizer, RateLimiting, Raw,
    SessionStorage, ToolOverride, rules,
};
use crate::duration::GoDuration;

/// `spec.config`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
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
    pub optimizer: Option<Optimizer>,
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InlineBackendType {
    /// Beside the gateway.
    #[serde(rename = "")]
    Local,
    /// Elsewhere.
    Entry,
}

/// `config.aggregation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Aggregation {
    /// What is done about tools of the same name; default `prefix`.
    #[schemars(extend("default" = "prefix"))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ConflictResolutionConfig {
    /// For `prefix`; default `{workload}_`.
    #[schemars(extend("default" = "{workload}_"))]
    pub prefix_format: Option<String>,
    /// Required for `priority`.
    pub priority_order: Vec<String>,
}

/// `aggregation.defaultToolVisibility`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolVisibility {
    /// Advertised.
    Allow,
    /// Hidden.
    Deny,
}

/// `aggregation.tools[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WorkloadToolConfig {
    /// Name of the backend; required.
    #[schemars(required)]
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

/// `config.operational`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// The only one.
    Debug,
}

/// `operational.timeouts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Timeouts {
    /// Of every backend request; default 30s.
    #[schemars(extend("default" = "30s"))]
    pub default: Option<GoDuration>,
    /// By backend name.
    pub per_workload: BTreeMap<String, GoDuration>,
}

/// `operational.failureHandling`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FailureHandling {
    /// Time between two checks of a backend; default 30s.
    #[schemars(extend("default" = "30s"))]
    pub health_check_interval: Option<GoDuration>,
    /// Failures in a row after which a backend is unhealthy; default 3.
    #[schemars(extend("default" = 3))]
    pub unhealthy_threshold: Option<i64>,
    /// Of one check; less than the interval; default 10s.
    #[schemars(extend("default" = "10s"))]
    pub health_check_timeout: Option<GoDuration>,
    /// Time between two reports at most; default 30s.
    #[schemars(extend("default" = "30s"))]
    pub status_reporting_interval: Option<GoDuration>,
    /// Absent: as `best_effort`.
    pub partial_failure_mode: Option<PartialFailureMode>,
    /// Absent: off.
    pub circuit_breaker: Option<CircuitBreaker>,
}

/// `failureHandling.partialFailureMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartialFailureMode {
    /// Fail what needs a backend that is missing.
    Fail,
    /// Answer from the others.
    BestEffort,
}

/// `failureHandling.circuitBreaker`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::CIRCUIT_BREAKER))]
pub struct CircuitBreaker {
    /// Default false.
    pub enabled: bool,
    /// Failures in a row that open it; default 5.
    #[schemars(extend("default" = 5))]
    pub failure_threshold: Option<NonZeroU32>,
    /// How long it stays open, at least 1s; default 60s.
    #[schemars(extend("default" = "60s"))]
    pub timeout: Option<GoDuration>,
}

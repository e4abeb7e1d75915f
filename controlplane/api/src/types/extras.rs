//! Blocks of features beside routing (spec 1.0, 8.2, 8.3, 8.6).

use std::num::NonZeroU32;

use serde::Deserialize;

use super::{NonEmpty, SecretKeyRef};
use crate::duration::GoDuration;

/// Where sessions would be stored. Not needed here: sessions are sealed tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionStorage {
    /// Kind of the store.
    pub provider: SessionProvider,
    /// Address of Redis.
    pub address: Option<String>,
    /// Number of the Redis database.
    pub db: Option<u32>,
    /// Prefix of its keys.
    pub key_prefix: Option<String>,
    /// Its password.
    pub password_ref: Option<SecretKeyRef>,
}

/// `sessionStorage.provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionProvider {
    /// In the process.
    Memory,
    /// In Redis.
    Redis,
}

/// Rate limits on `tools/call`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RateLimiting {
    /// For all callers together.
    pub shared: Option<RateBucket>,
    /// For each caller.
    pub per_user: Option<RateBucket>,
    /// For single tools, by exposed name.
    pub tools: Vec<ToolRateLimit>,
}

/// A token bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateBucket {
    /// Capacity, at least 1.
    pub max_tokens: NonZeroU32,
    /// Time in which an empty bucket fills.
    pub refill_period: GoDuration,
}

/// Rate limits of one tool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolRateLimit {
    /// Exposed name.
    pub name: NonEmpty,
    /// For all callers together.
    pub shared: Option<RateBucket>,
    /// For each caller.
    pub per_user: Option<RateBucket>,
}

/// Reference to an MCPTelemetryConfig.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TelemetryConfigRef {
    /// Its name.
    pub name: NonEmpty,
    /// Default `thv-<resource name>`.
    pub service_name: Option<String>,
}

/// `audit` of a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BackendAudit {
    /// Whether requests are logged for audit.
    pub enabled: bool,
}

/// `config.audit` of a virtual server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Audit {
    /// Default false.
    pub enabled: bool,
    /// Name of the component in events.
    pub component: Option<String>,
    /// Only these; empty: all.
    pub event_types: Vec<String>,
    /// None of these; wins.
    pub exclude_event_types: Vec<String>,
    /// Default false.
    pub include_request_data: Option<bool>,
    /// Default false.
    pub include_response_data: Option<bool>,
    /// Default true.
    pub detect_application_errors: Option<bool>,
    /// Bytes; default 1024.
    pub max_data_size: Option<u32>,
    /// Default 10.
    pub max_delegation_depth: Option<u32>,
    /// Default: standard output.
    pub log_file: Option<String>,
}

/// `config.codeMode`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CodeMode {
    /// Default false.
    pub enabled: bool,
    /// Default 100000.
    pub step_limit: Option<u64>,
    /// Default 10.
    pub parallel_max_concurrency: Option<u32>,
    /// Default 30s.
    pub tool_call_timeout: Option<GoDuration>,
}

//! Blocks of features beside routing (spec 1.0, 8.1 to 8.3, 8.6).

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{NonEmpty, SecretKeyRef, rules};
use crate::duration::GoDuration;

/// Where sessions would be stored. Not needed here: sessions are sealed tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::SESSION_STORAGE))]
pub struct SessionStorage {
    /// Kind of the store.
    pub provider: SessionProvider,
    /// Address of Redis; required for `redis`.
    #[schemars(length(min = 1))]
    pub address: Option<String>,
    /// Number of the Redis database.
    pub db: Option<u32>,
    /// Prefix of its keys.
    pub key_prefix: Option<String>,
    /// Its password.
    pub password_ref: Option<SecretKeyRef>,
}

/// `sessionStorage.provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionProvider {
    /// In the process.
    Memory,
    /// In Redis.
    Redis,
}

/// Rate limits on `tools/call`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::RATE_LIMITING))]
pub struct RateLimiting {
    /// For all callers together.
    pub shared: Option<RateBucket>,
    /// For each caller.
    pub per_user: Option<RateBucket>,
    /// For single tools, by exposed name.
    #[schemars(length(max = 1000))]
    pub tools: Vec<ToolRateLimit>,
}

/// A token bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateBucket {
    /// Capacity, at least 1.
    pub max_tokens: NonZeroU32,
    /// Time in which an empty bucket fills.
    pub refill_period: GoDuration,
}

/// Rate limits of one tool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::TOOL_RATE_LIMIT))]
pub struct ToolRateLimit {
    /// Exposed name.
    pub name: NonEmpty,
    /// For all callers together.
    pub shared: Option<RateBucket>,
    /// For each caller.
    pub per_user: Option<RateBucket>,
}

/// `audit` of a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BackendAudit {
    /// Whether requests are logged for audit.
    pub enabled: bool,
}

/// `config.audit` of a virtual server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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
    /// Answers are looked into for errors of the tool; default true.
    #[schemars(extend("default" = true))]
    pub detect_application_errors: Option<bool>,
    /// Bytes of request or answer that are logged; default 1024.
    #[schemars(extend("default" = 1024))]
    pub max_data_size: Option<u32>,
    /// Acting parties that are logged; default 10.
    #[schemars(extend("default" = 10))]
    pub max_delegation_depth: Option<u32>,
    /// Default: standard output.
    pub log_file: Option<String>,
}

/// `config.optimizer`: tool search in place of the list of tools (spec 8.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Optimizer {
    /// URL of the embedding service; or `spec.embeddingServerRef`.
    pub embedding_service: Option<String>,
    /// Of one request to it; default 30s.
    #[schemars(extend("default" = "30s"))]
    pub embedding_service_timeout: Option<GoDuration>,
    /// How it is spoken to; default `tei`.
    #[schemars(extend("default" = "tei"))]
    pub embedding_provider: Option<EmbeddingProvider>,
    /// Model; required for `openai`.
    pub embedding_model: Option<String>,
    /// Headers of requests to it, for `openai`; nothing secret.
    pub embedding_headers: BTreeMap<String, String>,
    /// Tools that a search finds, from 1 to 50; default 8.
    #[schemars(range(min = 1, max = 50))]
    pub max_tools_to_return: Option<u32>,
    /// From 0 (words count) to 1 (meaning counts), in quotes; default 0.5.
    #[schemars(regex(pattern = DECIMAL))]
    pub hybrid_search_semantic_ratio: Option<String>,
    /// From 0 (the same) to 2 (nothing in common), in quotes: what is further is not found; default 1.0.
    #[schemars(regex(pattern = DECIMAL))]
    pub semantic_distance_threshold: Option<String>,
}

const DECIMAL: &str = r"^([0-9]*[.])?[0-9]+$";

/// `optimizer.embeddingProvider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddingProvider {
    /// Text Embeddings Inference.
    Tei,
    /// OpenAI's API, or one like it.
    OpenAi,
}

/// `config.codeMode`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CodeMode {
    /// Default false.
    pub enabled: bool,
    /// Steps that a script may take; default 100000.
    #[schemars(extend("default" = 100000))]
    pub step_limit: Option<u64>,
    /// Calls of a script at a time; default 10.
    #[schemars(extend("default" = 10))]
    pub parallel_max_concurrency: Option<u32>,
    /// Of one call of a script; default 30s.
    #[schemars(extend("default" = "30s"))]
    pub tool_call_timeout: Option<GoDuration>,
}

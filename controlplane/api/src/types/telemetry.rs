//! MCPTelemetryConfig (spec 1.11).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{CaBundleSource, NonEmpty, SecretKeyRef, rules};

/// Reference to an MCPTelemetryConfig.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TelemetryConfigRef {
    /// Its name.
    pub name: NonEmpty,
    /// Default `thv-<resource name>`.
    pub service_name: Option<String>,
}

/// MCPTelemetryConfig: where traces and metrics go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct McpTelemetryConfigSpec {
    /// Traces and metrics over OTLP.
    pub open_telemetry: Option<OpenTelemetry>,
    /// Metrics to be scraped.
    pub prometheus: Option<Prometheus>,
}

/// Traces and metrics over OTLP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::OPEN_TELEMETRY))]
pub struct OpenTelemetry {
    /// Whether anything is sent; default false.
    pub enabled: bool,
    /// Where the collector is; with it, metrics or tracing must be on.
    pub endpoint: Option<String>,
    /// Plain HTTP to the collector; default false.
    pub insecure: bool,
    /// Headers for the collector, by name.
    #[schemars(extend("maxProperties" = 64))]
    pub headers: BTreeMap<String, String>,
    /// Headers with values in Secrets.
    #[schemars(length(max = 64))]
    pub sensitive_headers: Vec<SensitiveHeader>,
    /// Attributes of everything that is sent, by name.
    pub resource_attributes: BTreeMap<String, String>,
    /// Metrics over OTLP.
    pub metrics: Option<OtlpMetrics>,
    /// Traces over OTLP.
    pub tracing: Option<OtlpTracing>,
    /// The older attribute names beside the new ones; default true.
    #[schemars(extend("default" = true))]
    pub use_legacy_attributes: Option<bool>,
    /// Certificates to trust; not with `insecure`.
    pub ca_bundle_ref: Option<CaBundleSource>,
}

/// A header with its value in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SensitiveHeader {
    /// Name of the header.
    #[schemars(length(max = 255))]
    pub name: NonEmpty,
    /// Where the value is.
    pub secret_key_ref: SecretKeyRef,
}

/// Metrics over OTLP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OtlpMetrics {
    /// Default false.
    pub enabled: bool,
}

/// Traces over OTLP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OtlpTracing {
    /// Default false.
    pub enabled: bool,
    /// Share of requests that are traced, from 0 to 1, in quotes; default 0.05.
    #[schemars(extend("default" = "0.05"))]
    pub sampling_rate: Option<String>,
}

/// Metrics to be scraped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Prometheus {
    /// Default false.
    pub enabled: bool,
}

//! A status as the object's YAML: `apiVersion`, `kind`, the name, `status` with the field names of the CRD.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_api::meta::{GROUP, VERSIONS};
use tidegate_controlplane_compile::{GroupMembers, Workflow};

use super::{Condition, DiscoveredBackend, Status};

/// One YAML document. `None` if it cannot be written as YAML, which no status is known to be.
pub fn document(object: &ObjectRef, status: &Status) -> Option<String> {
    let document = Document {
        api_version: format!("{GROUP}/{}", VERSIONS[0]),
        kind: object.kind.as_str(),
        metadata: Metadata { name: &object.name, namespace: &object.namespace },
        status: File::of(status),
    };
    serde_saphyr::to_string(&document).ok()
}

/// The content of `status` alone, for the API server.
pub fn fields(status: &Status) -> Value {
    serde_json::to_value(File::of(status)).unwrap_or_default()
}

/// The reverse of [`rfc3339`]; 0 for what is no time.
pub(super) fn unix_ms(text: &str) -> u64 {
    let time = text.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
    u64::try_from(time).unwrap_or(0)
}

/// Milliseconds of Unix time in RFC 3339, in whole seconds as Kubernetes writes times; none for 0.
pub fn rfc3339(unix_ms: u64) -> Option<String> {
    let seconds = i64::try_from(unix_ms / 1000).ok().filter(|_| unix_ms > 0)?;
    Some(Timestamp::from_second(seconds).ok()?.to_string())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: String,
    kind: &'static str,
    metadata: Metadata<'a>,
    status: File<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    namespace: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    phase: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discovered_backends: Option<Vec<BackendFile<'a>>>,
    #[serde(flatten)]
    members: Option<MembersFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_replicas: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_hash: Option<&'a str>,
    #[serde(flatten)]
    workflow: Option<WorkflowFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    conditions: Vec<ConditionFile<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackendFile<'a> {
    name: &'a str,
    url: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_config_ref: Option<&'a str>,
    auth_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_health_check: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    circuit_breaker_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    circuit_last_changed: Option<String>,
    consecutive_failures: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    mcp_revision: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MembersFile<'a> {
    servers: &'a [String],
    server_count: usize,
    remote_proxies: &'a [String],
    remote_proxy_count: usize,
    entries: &'a [String],
    entry_count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkflowFile<'a> {
    validation_status: &'static str,
    validation_errors: &'a [String],
    referencing_virtual_servers: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConditionFile<'a> {
    r#type: &'a str,
    status: &'static str,
    reason: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_transition_time: Option<String>,
}

impl<'a> File<'a> {
    fn of(status: &'a Status) -> Self {
        let serving = status.serving.as_ref();
        Self {
            phase: status.phase,
            message: &status.message,
            url: status.url.as_deref(),
            backend_count: serving.map(|serving| serving.backend_count),
            discovered_backends: serving.map(|s| s.backends.iter().map(BackendFile::of).collect()),
            members: status.members.as_ref().map(MembersFile::of),
            ready_replicas: status.details.ready_replicas,
            config_hash: status.details.config_hash.as_deref(),
            workflow: status.details.workflow.as_ref().map(WorkflowFile::of),
            observed_generation: status.observed_generation,
            conditions: status.conditions.iter().map(ConditionFile::of).collect(),
        }
    }
}

impl<'a> BackendFile<'a> {
    fn of(backend: &'a DiscoveredBackend) -> Self {
        Self {
            name: &backend.name,
            url: &backend.url,
            status: backend.status.as_str(),
            auth_config_ref: backend.auth_config_ref.as_deref(),
            auth_type: backend.auth_type,
            last_health_check: rfc3339(backend.checked_unix_ms),
            message: &backend.message,
            circuit_breaker_state: backend.breaker.map(super::Breaker::as_str),
            circuit_last_changed: rfc3339(backend.breaker_changed_unix_ms),
            consecutive_failures: backend.consecutive_failures,
            mcp_revision: &backend.mcp_revision,
        }
    }
}

impl<'a> MembersFile<'a> {
    fn of(members: &'a GroupMembers) -> Self {
        Self {
            servers: &members.servers,
            server_count: members.servers.len(),
            remote_proxies: &members.remote_proxies,
            remote_proxy_count: members.remote_proxies.len(),
            entries: &members.entries,
            entry_count: members.entries.len(),
        }
    }
}

impl<'a> WorkflowFile<'a> {
    fn of(workflow: &'a Workflow) -> Self {
        Self {
            validation_status: workflow.status(),
            validation_errors: &workflow.errors,
            referencing_virtual_servers: &workflow.referring,
        }
    }
}

impl<'a> ConditionFile<'a> {
    fn of(condition: &'a Condition) -> Self {
        Self {
            r#type: &condition.r#type,
            status: condition.status(),
            reason: condition.reason,
            message: &condition.message,
            last_transition_time: rfc3339(condition.since_unix_ms),
        }
    }
}

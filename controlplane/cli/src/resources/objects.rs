//! The views of objects as an API server gives them: from their status.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Condition, Member, VirtualServer};

impl VirtualServer {
    /// Of a VirtualMCPServer, as far as its status says: no tools, and no URLs but the Service's.
    pub(crate) fn of_object(object: &Value) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        let backend_count = status["backendCount"].as_u64().and_then(|count| count.try_into().ok());
        Self {
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
            phase: text(&status["phase"]),
            message: text(&status["message"]),
            urls: Vec::new(),
            group: text(spec.pointer("/groupRef/name").unwrap_or(&spec["config"]["groupRef"])),
            url: text(&status["url"]),
            backend_count: backend_count.unwrap_or_default(),
            backends: members(object),
            conditions: conditions(object),
            observed_generation: status["observedGeneration"].as_i64(),
            tools: Vec::new(),
            conflicts: Vec::new(),
        }
    }
}

/// `status.discoveredBackends`.
pub(crate) fn members(object: &Value) -> Vec<Member> {
    let mut members: Vec<Member> = items(&object["status"]["discoveredBackends"]);
    for member in &mut members {
        member.checked_unix_ms = member.last_health_check.as_deref().map_or(0, unix_ms);
    }
    members
}

/// `status.conditions`.
pub(crate) fn conditions(object: &Value) -> Vec<Condition> {
    items(&object["status"]["conditions"])
}

/// Milliseconds of Unix time; 0 for what is no time.
pub(crate) fn unix_ms(text: &str) -> u64 {
    let time = text.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
    u64::try_from(time).unwrap_or(0)
}

fn items<T: for<'a> Deserialize<'a>>(list: &Value) -> Vec<T> {
    list.as_array().into_iter().flatten().filter_map(|item| T::deserialize(item).ok()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_becomes_what_a_control_plane_would_show() {
        let object = json!({
            "metadata": {"namespace": "team", "name": "demo"},
            "spec": {"groupRef": {"name": "tools"}},
            "status": {
                "phase": "Degraded",
                "backendCount": 1,
                "discoveredBackends": [
                    {"name": "clock", "status": "ready", "lastHealthCheck": "2026-05-28T20:26:40Z", "unheardOf": 1},
                ],
                "conditions": [{"type": "Ready", "status": "True", "reason": "Ok", "lastTransitionTime": "x"}],
            },
        });
        let server = VirtualServer::of_object(&object);
        assert_eq!(
            (server.group.as_str(), server.phase.as_str(), server.backend_count),
            ("tools", "Degraded", 1)
        );
        let member = Member {
            workload: "clock".into(),
            status: "ready".into(),
            last_health_check: Some("2026-05-28T20:26:40Z".into()),
            checked_unix_ms: 1_780_000_000_000,
            ..Member::default()
        };
        assert_eq!(server.backends, [member]);
        assert_eq!(server.conditions[0].reason, "Ok");
    }
}

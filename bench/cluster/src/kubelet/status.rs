//! A pod's status from its containers' states. Pure: all times in it are the pod's start.

use super::container::{Phase, State};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// The status of a pod at the addresses `(its own, its node's)`. `held`: not ready, whatever the containers say.
pub(super) fn of(
    pod: &Pod,
    states: &[State],
    held: bool,
    (ip, host): (Ipv4Addr, Ipv4Addr),
    started: Timestamp,
) -> Value {
    let spec = pod.spec.as_ref();
    let names = spec.map(|s| s.containers.as_slice()).unwrap_or_default();
    let containers: Vec<_> = names
        .iter()
        .zip(states)
        .map(|(c, state)| container(&c.name, c.image.as_deref(), state, started))
        .collect();
    let init: Vec<_> = spec
        .and_then(|s| s.init_containers.as_deref())
        .unwrap_or_default()
        .iter()
        .map(|c| completed(&c.name, c.image.as_deref(), started))
        .collect();
    let ready = states.iter().all(State::ready);
    let running = states.iter().any(|s| !matches!(s.phase, Phase::Starting));
    json!({
        "phase": if running { "Running" } else { "Pending" },
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": started,
        "containerStatuses": containers,
        "initContainerStatuses": init,
        "conditions": [
            condition("PodScheduled", true, started),
            condition("PodReadyToStartContainers", true, started),
            condition("Initialized", true, started),
            condition("ContainersReady", ready, started),
            condition("Ready", ready && !held, started),
        ],
    })
}

fn condition(kind: &str, holds: bool, since: Timestamp) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": since})
}

fn container(name: &str, image: Option<&str>, state: &State, started: Timestamp) -> Value {
    let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    let now = match &state.phase {
        Phase::Starting => waiting("ContainerCreating", ""),
        Phase::Waiting { reason, message } => waiting(reason, message),
        Phase::Running { .. } => json!({"running": {"startedAt": started}}),
    };
    let last = if state.restarts > 0 {
        json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": started, "finishedAt": started}})
    } else {
        json!({})
    };
    json!({
        "name": name,
        "image": image,
        "imageID": "",
        "ready": state.ready(),
        "started": matches!(state.phase, Phase::Running { .. }),
        "restartCount": state.restarts,
        "state": now,
        "lastState": last,
    })
}

fn completed(name: &str, image: Option<&str>, at: Timestamp) -> Value {
    let terminated = json!({"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at});
    let state = json!({"terminated": terminated});
    json!({"name": name, "image": image, "imageID": "", "ready": true, "restartCount": 0, "state": state})
}

//! What failing backends do to calls, lists, sessions and status: the checks C1, C7, C11, D8 and E1 to E12 of spec
//! section 10, each in a test named after it, and the table of `docs/failure-handling.md`.
//! (E5 is a matter of reading manifests and tested there.)

mod backend;
mod breaker;
mod health;
mod limits;
mod outcome;
mod pages;
mod partial;
mod sessions;
mod stage;
mod table;
mod timeouts;
mod whole;

use crate::support::finally;
use crate::support::http::Answer;
use crate::support::world::World;
use serde_json::Value;
use std::time::Duration;
use tidegate_proto::wire::{BackendHealth, BreakerState, MemberState};

/// Between two probes where a test wants to see some.
const INTERVAL: Duration = Duration::from_millis(200);

/// Of one probe, where a test wants it to run out.
const PROBE: Duration = Duration::from_millis(150);

/// A page on the port of the virtual servers.
#[track_caller]
fn page(world: &World, method: &str, path: &str) -> Answer {
    let mut http = world.gateway.http();
    http.send(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    http.response()
}

/// What the node reports of a backend as the virtual server `default/demo` sees it.
fn standing(world: &World, workload: &str) -> Option<MemberState> {
    let mut servers = world.plane.seen().virtual_servers;
    let server = servers.get_mut("default/demo")?;
    server.members.iter().position(|m| m.workload == workload).map(|n| server.members.swap_remove(n))
}

/// Waits until that satisfies a condition.
#[track_caller]
fn stands(world: &World, workload: &str, what: &str, holds: impl Fn(&MemberState) -> bool) -> MemberState {
    finally(&format!("{workload} {what}"), || {
        let standing = standing(world, workload).ok_or_else(MemberState::default)?;
        if holds(&standing) { Ok(standing) } else { Err(standing) }
    })
}

/// Waits until a backend has this health.
#[track_caller]
fn is(world: &World, workload: &str, health: BackendHealth) -> MemberState {
    stands(world, workload, &format!("is {health:?}"), |s| s.health() == health)
}

/// Waits until the breaker of a backend is in this state.
#[track_caller]
fn circuit(world: &World, workload: &str, state: BreakerState) -> MemberState {
    stands(world, workload, &format!("is {state:?}"), |s| s.breaker() == state)
}

/// Text of a failed call's result.
#[track_caller]
fn failure(result: &Value) -> &str {
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().expect("a text")
}

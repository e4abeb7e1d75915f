//! Bounds of calls (spec 5.7).

use super::failure;
use crate::support::mcp::call;
use crate::support::tables::Vmcp;
use crate::support::world::{World, mock};
use serde_json::json;
use std::time::Duration;

#[test]
fn c11_a_call_of_45_seconds_is_answered_within_its_bound_of_60() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").bounded("a", a.addr, Duration::from_secs(60))]);
    let mut client = world.client();
    client.http.patient(Duration::from_secs(90));
    assert_eq!(client.call_text("a_slow", json!({"ms": 45_000})), "slept 45000 ms");
}

#[test]
fn e8_each_workload_has_the_bound_that_is_its_own() {
    let (slow, fast) = (mock("slow"), mock("fast"));
    let vmcp = Vmcp::named("demo").bounded("slow", slow.addr, Duration::from_secs(60)).bounded(
        "fast",
        fast.addr,
        Duration::from_secs(1),
    );
    let world = World::of([&vmcp]);
    let mut client = world.client();
    let mut other = client.again();
    client.send(&call(1, "slow_slow", json!({"ms": 2_000})));
    let result = other.call("fast_slow", json!({"ms": 2_000}));
    assert!(failure(&result).starts_with("operation timed out"), "{result}");
    let answer = client.http.response().json();
    assert_eq!(answer["result"]["content"][0]["text"], "slept 2000 ms");
    crate::sessions::seen(&fast, "the cancellation", |s| s.requests_of("notifications/cancelled") == 1);
}

#[test]
fn a_tool_may_have_a_bound_of_its_own() {
    let a = mock("a");
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::of([&vmcp.tuned(|s| {
        s.timeouts.tools.insert("a_slow".into(), Duration::from_millis(300));
    })]);
    let mut client = world.client();
    let result = client.call("a_slow", json!({"ms": 600_000}));
    let text = failure(&result);
    assert!(text.starts_with("operation timed out") && text.contains("300 ms"), "{text}");
    client.send(&call(2, "a_progress", json!({"n": 2, "interval_ms": 400})));
    assert_eq!(client.http.head().status, 200);
    assert!(client.http.event().is_some_and(|e| e.contains("2 events")), "others have not");
}

#[test]
fn an_edit_bounds_the_next_call_and_not_the_one_that_runs() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").bounded("a", a.addr, Duration::from_secs(60))]);
    let mut client = world.client();
    let mut running = client.again();
    running.send(&call(1, "a_slow", json!({"ms": 1_500})));
    crate::sessions::seen(&a, "the call", |s| s.calls_running == 1);
    world.publish([&Vmcp::named("demo").bounded("a", a.addr, Duration::from_millis(200))]);
    let result = client.call("a_slow", json!({"ms": 1_500}));
    assert!(failure(&result).contains("200 ms"), "{result}");
    let answer = running.http.response().json();
    assert_eq!(answer["result"]["content"][0]["text"], "slept 1500 ms");
}

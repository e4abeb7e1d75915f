//! Endpoints that are there in the table and not in the world.

use super::pods::Pods;
use crate::sessions::seen;
use crate::support::mcp::call;
use crate::support::ports;
use crate::support::world::World;
use serde_json::json;
use std::time::Duration;
use tidegate_bench_mock::Control;
use tidegate_proto::table::Endpoint;

#[test]
fn a_pod_that_dies_costs_its_sessions_nothing_but_what_it_had_accepted() {
    let mut pods = Pods::start(2);
    let vmcp = pods.all().breaker(2, crate::support::DEADLINE);
    let world = World::of([&vmcp]);
    let mut clients: Vec<_> = (0..6).map(|_| pods.session_at(&world, 0)).collect();
    let mut running = clients[0].again();
    running.send(&call(7, "a_slow", json!({"ms": 60_000})));
    seen(pods.pod(0), "the call", |s| s.calls_running == 1);
    pods.kill(0);
    let cut = running.http.response().json();
    assert_eq!(cut["result"]["isError"], true, "it was accepted, so it is not said again: {cut}");
    assert_eq!(pods.stats(1).calls_of("slow"), 0);
    // the table still names it
    for client in &mut clients {
        for _ in 0..2 {
            assert_eq!(client.call_text("a_who", json!({})), "pod-1");
        }
    }
    for _ in 0..4 {
        assert_eq!(world.client().call_text("a_who", json!({})), "pod-1");
    }
    assert_eq!(world.gateway.metric("tidegate_backend_sessions_moved_total", "mcpserver/a"), 6.0);
    assert_eq!(world.gateway.metric("tidegate_circuit_breaker_refused_total", ""), 0.0);
}

#[test]
fn an_endpoint_that_refuses_connections_is_passed_over_and_the_backend_is_well() {
    let pods = Pods::start(1);
    let dead = ports::free();
    let mut list = pods.endpoints();
    list.insert(0, Endpoint { host: dead.ip().to_string(), port: dead.port(), draining: false });
    let world = World::of([&pods.with(&list)]);
    for _ in 0..20 {
        assert_eq!(world.client().call_text("a_who", json!({})), "pod-0");
    }
    let failures = world.gateway.metric("tidegate_backend_connect_failures_total", "mcpserver/a");
    let passes = world.gateway.metric("tidegate_backend_sessions_opened_total", "mcpserver/a");
    assert!(failures <= passes / 2.0, "{failures} refused connections for {passes} sessions");
    assert_eq!(world.gateway.metric("tidegate_backend_probe_failures_total", ""), 0.0);
    assert_eq!(world.gateway.metric("tidegate_faults_total", ""), 0.0);
}

#[test]
fn a_backend_none_of_whose_endpoints_answers_is_refused_as_one_with_one() {
    let mut pods = Pods::start(2);
    let world = World::of([&pods.all()]);
    let mut client = world.client();
    assert!(client.call_text("a_who", json!({})).starts_with("pod-"));
    pods.kill(0);
    pods.kill(1);
    for _ in 0..3 {
        let text = client.call_text("a_who", json!({}));
        assert!(
            text.starts_with("backend unavailable") && text.ends_with("connection refused or broken"),
            "{text}"
        );
    }
}

#[test]
fn a_pod_that_hangs_makes_the_others_no_worse() {
    let pods = Pods::start(2);
    let interval = Duration::from_millis(300);
    let vmcp = pods.all().probed(interval, interval / 2, 3);
    let world = World::of([&vmcp]);
    let mut well = pods.session_at(&world, 1);
    let hang: Control = serde_json::from_value(json!({"hang": true})).expect("a control");
    pods.pod(0).control(&hang);
    let probes = || world.gateway.metric("tidegate_backend_probes_total", "mcpserver/a");
    let before = probes();
    while probes() < before + 8.0 {
        assert_eq!(well.call_text("a_who", json!({})), "pod-1");
    }
    let gone = world.gateway.metric("tidegate_backend_health_transitions_total", "unhealthy");
    assert_eq!(gone, 0.0, "one of two hangs, the backend is there");
    assert!(!well.tools().is_empty());
}

#[test]
fn a_large_call_whose_endpoint_has_gone_is_sent_elsewhere_too() {
    let pods = Pods::start(2);
    let world = World::of([&pods.all()]);
    let mut client = pods.session_at(&world, 0);
    world.publish([&pods.with(&pods.endpoints()[1..])]);
    let text = "x".repeat(300_000);
    let echoed = client.call_text("a_echo", json!({"text": text}));
    assert_eq!(echoed.len(), 300_000 + r#"{"text":""}"#.len());
    assert_eq!(client.call_text("a_who", json!({})), "pod-1");
}

//! What one gateway has open towards a backend.

use crate::sessions::seen;
use crate::support::http::Http;
use crate::support::mcp::{Client, call, call_with_progress};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use std::time::Duration;
use tidegate_proto::table::Limits;

#[test]
fn calls_above_the_limit_wait_their_turn_and_those_above_that_are_refused_at_once() {
    let (a, b) = (mock("a"), mock("b"));
    let limits = Limits { requests: 2, pending: 1, ..Limits::default() };
    let vmcp = Vmcp::named("demo").with("a", a.addr).backends(|a| a.limits = limits).with("b", b.addr);
    let world = World::of([&vmcp]);
    let mut clients: Vec<Client> = (0..3).map(|_| world.client()).collect();
    for (n, client) in (1..).zip(&mut clients) {
        client.send(&call(1, "a_slow", json!({"ms": 600_000})));
        seen(&a, "at most two calls", |s| s.calls_running == n.min(2));
    }
    world.gateway.metric_where("tidegate_backend_calls_waiting", "mcpserver/a", |n| n == 1.0);
    let mut one_more = world.client();
    let refused = one_more.post(&call(1, "a_who", json!({})));
    assert_eq!((refused.status, refused.head.field("retry-after")), (503, Some("1")));
    let error = &refused.json()["error"];
    assert_eq!((&error["data"]["backend"], &error["data"]["state"]), (&json!("a"), &json!("overloaded")));
    assert_eq!(one_more.call_text("b_who", json!({})), "b", "others have limits of their own");
    assert_eq!(world.gateway.metric("tidegate_backend_shed_total", "mcpserver/a"), 1.0);

    // who leaves makes room for the one that waits
    drop(clients.swap_remove(0));
    seen(&a, "the third call", |s| s.requests_of("tools/call") == 3 && s.calls_running == 2);
    drop(clients);
    seen(&a, "the end of all", |s| s.calls_running == 0);
    until("there is room again", || one_more.post(&call(1, "a_who", json!({}))).status == 200);
}

#[test]
fn clients_that_do_not_read_never_hold_all_connections_to_a_backend() {
    let a = mock("a");
    let limits = Limits { connections: 4, ..Limits::default() };
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).backends(|a| a.limits = limits)]);
    let mut client = world.client();
    let mut stuck = Vec::new();
    for cut in [0, 0, 0, 1, 2, 3] {
        let mut one = client.again();
        one.http = Http::narrow(world.gateway.addr);
        one.send(&call(1, "a_big", json!({"bytes": 24 << 20})));
        assert_eq!(one.http.head().status, 200);
        stuck.push(one);
        world.gateway.metric_where("tidegate_backend_calls_in_flight", "mcpserver/a", |n| n == 0.0);
        world.gateway.metric_where("tidegate_slow_readers_total", "", |n| n == f64::from(cut));
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
    // those that came first were given up for the others, which get all when they read
    let all = stuck.split_off(3);
    for cut in stuck {
        assert!(cut.http.into_rest().len() < 24 << 20);
    }
    for mut slow in all {
        assert!(slow.http.body().len() > 24 << 20);
    }
    for (name, count) in [("tidegate_backend_failures_total", 0.0), ("tidegate_faults_total", 0.0)] {
        assert_eq!(world.gateway.metric(name, ""), count, "{name}");
    }
}

#[test]
fn a_call_that_gets_no_connection_within_its_bound_is_shed_and_the_backend_not_blamed() {
    let a = mock("a");
    let limits = Limits { connections: 1, ..Limits::default() };
    let vmcp = Vmcp::named("demo").bounded("a", a.addr, Duration::from_millis(700));
    let world = World::of([&vmcp.backends(|a| a.limits = limits)]);
    let mut holder = world.client();
    holder.send(&call_with_progress(1, "a_stream_forever", json!({"interval_ms": 50})));
    assert_eq!(holder.http.head().status, 200);
    let refused = world.client().post(&call(2, "a_who", json!({})));
    assert_eq!((refused.status, refused.head.field("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["error"]["data"]["state"], "overloaded");
    for (name, count) in [("tidegate_backend_shed_total", 1.0), ("tidegate_backend_timeouts_total", 0.0)] {
        assert_eq!(world.gateway.metric(name, "mcpserver/a"), count, "{name}");
    }
}

#[test]
fn one_connection_is_enough_for_all_calls_in_turn() {
    let a = mock("a");
    let limits = Limits { connections: 1, ..Limits::default() };
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).backends(|a| a.limits = limits)]);
    let client = world.client();
    let mut clients: Vec<Client> = (0..8).map(|_| client.again()).collect();
    for one in &mut clients {
        one.send(&call(1, "a_slow", json!({"ms": 20})));
    }
    for one in &mut clients {
        let answer = one.http.response();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["result"]["content"][0]["text"], "slept 20 ms");
    }
    assert_eq!(world.gateway.metric("tidegate_backend_shed_total", ""), 0.0);
}

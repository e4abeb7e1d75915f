//! SIGTERM: nobody who does as HTTP says loses a request.

use crate::sessions::seen;
use crate::support::mcp::{call, ping};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use std::net::TcpStream;

/// It ended by itself, before its time was over.
#[track_caller]
fn drained(world: &mut World) {
    assert_eq!(world.gateway.ended().code(), Some(0));
    let log = world.gateway.log();
    assert!(log.contains("drained") && !log.contains("the rest is cut"), "{log}");
}

#[test]
fn an_answer_that_begins_during_the_drain_says_that_the_connection_ends() {
    let a = mock("a");
    let mut world = World::over(&a);
    let mut client = world.client();
    client.send(&call(1, "a_slow", json!({"ms": 1_000})));
    seen(&a, "the call", |s| s.calls_running == 1);
    world.gateway.terminate();
    let answer = client.http.response();
    assert_eq!(answer.json()["result"]["content"][0]["text"], "slept 1000 ms");
    assert_eq!(answer.head.field("connection"), Some("close"));
    client.http.closed();
    drained(&mut world);
}

#[test]
fn a_hundred_calls_under_way_are_all_answered() {
    let a = mock("a");
    let mut world = World::over(&a);
    let first = world.client();
    let mut clients: Vec<_> = (0..100).map(|_| first.again()).collect();
    for (id, client) in (1..).zip(&mut clients) {
        client.send(&call(id, "a_slow", json!({"ms": 2_000})));
    }
    seen(&a, "the calls", |s| s.requests_of("tools/call") == 100);
    world.gateway.terminate();
    for client in &mut clients {
        assert_eq!(client.http.response().json()["result"]["content"][0]["text"], "slept 2000 ms");
    }
    drained(&mut world);
}

#[test]
fn a_connection_in_use_is_answered_until_it_is_told_to_close() {
    let a = mock("a");
    let mut world = World::over(&a);
    let mut clients: Vec<_> = (0..8).map(|_| world.client()).collect();
    world.gateway.terminate();
    for client in &mut clients {
        let told = |i| client.post(&ping(i)).head.field("connection") == Some("close");
        assert!((1..100_000).any(told), "never told to close");
        client.http.closed();
    }
    drained(&mut world);
}

#[test]
fn an_idle_connection_is_closed_long_before_the_grace_is_over() {
    let a = mock("a");
    let mut world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--drain", "3600"]);
    let mut idle = world.client();
    let mut half = world.client();
    half.http.send("POST /mcp HT");
    world.gateway.terminate();
    idle.http.closed();
    half.http.closed();
    drained(&mut world);
}

#[test]
fn what_the_kernel_has_accepted_is_served() {
    let a = mock("a");
    let mut world = World::over(&a);
    let first = world.client();
    world.gateway.freeze();
    let mut clients: Vec<_> = (0..64).map(|_| first.again()).collect();
    for client in &mut clients {
        client.send(&ping(1));
    }
    world.gateway.terminate();
    world.gateway.thaw();
    for client in &mut clients {
        assert_eq!(client.http.response().status, 200);
    }
    drop((first, clients));
    drained(&mut world);
}

#[test]
fn a_stream_is_told_to_come_back_soon() {
    let a = mock("a");
    let mut world = World::over(&a);
    let stream = world.client().listen();
    world.gateway.terminate();
    assert_eq!(stream.into_rest(), "retry: 100\n\n");
    drained(&mut world);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let a = mock("a");
    let mut world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--drain", "3600"]);
    let mut busy = world.client();
    busy.send(&call(1, "a_slow", json!({"ms": 600_000})));
    seen(&a, "the call", |s| s.calls_running == 1);
    world.gateway.terminate();
    until("no connection is taken", || TcpStream::connect(world.gateway.addr).is_err());
    assert_eq!(world.gateway.admin("/readyz").0, 503, "the admin port answers to the end");
    world.gateway.terminate();
    assert_eq!(world.gateway.ended().code(), Some(0), "it was asked for");
    let log = world.gateway.log();
    assert!(log.contains("second SIGTERM") && log.contains("requests=1"), "{log}");
    seen(&a, "the end of the call", |s| s.calls_running == 0);
}

#[test]
fn the_session_of_the_prober_ends_with_the_process() {
    let a = mock("a");
    let mut world = World::over(&a);
    assert_eq!(a.stats().sessions_open, 1);
    world.gateway.terminate();
    drained(&mut world);
    assert_eq!(a.stats().sessions_open, 0);
}

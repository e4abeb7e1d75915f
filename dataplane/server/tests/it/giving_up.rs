//! Calls that nobody waits for any more, or that took too long.

use crate::sessions::seen;
use crate::support::http::Http;
use crate::support::mcp::{call, call_with_progress, cancelled, ping};
use crate::support::ports;
use crate::support::process::{Program, workspace_binary};
use crate::support::puppet::{Puppet, progress};
use crate::support::tables::Vmcp;
use crate::support::world::{World, mock};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

#[test]
fn a_client_that_leaves_cancels_its_call_at_the_backend() {
    let a = mock("a");
    let world = World::over(&a);
    for (n, tool) in ["a_slow", "a_stream_forever"].into_iter().enumerate() {
        let n = n as u64 + 1;
        for abort in [false, true] {
            let n = n * 2 - u64::from(!abort);
            let mut client = world.client();
            client.send(&call_with_progress(77, tool, json!({"ms": 600_000})));
            seen(&a, "the call", |s| s.calls_running == 1);
            if tool == "a_stream_forever" {
                client.http.head();
                assert!(client.http.event().is_some());
            }
            if abort {
                client.http.abort();
            } else {
                drop(client);
            }
            seen(&a, "the end of the call", |s| s.calls_running == 0);
            seen(&a, "the cancellation", |s| s.requests_of("notifications/cancelled") == n);
            let cancel = a.stats().last_by_method["notifications/cancelled"].body.clone();
            assert!(cancel.contains(r#""requestId":77"#), "{cancel}");
        }
    }
    assert_eq!(world.gateway.metric("tidegate_backend_cancelled_total", "mcpserver/a"), 4.0);
}

#[test]
fn the_connection_of_a_cancelled_call_is_closed_and_not_used_again() {
    let puppet = Puppet::start();
    let world = World::over_puppet(&puppet);
    let mut client = world.client();
    client.send(&call(1, "a_act", json!({})));
    let act = puppet.act();
    drop(client);
    act.closed();
}

#[test]
fn a_client_that_leaves_while_its_call_is_still_being_sent_is_noticed() {
    let addr = ports::free();
    let mut command = Command::new(workspace_binary("mock-mcp"));
    let backend = Program::listening(command.args(["--listen", &addr.to_string(), "--name", "a"]), addr);
    let world = World::of([&Vmcp::named("demo").with("a", addr)]);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    backend.freeze();
    // more than the socket buffers of both sides take
    client.send(&call(2, "a_echo", json!({"text": "x".repeat(7 << 20)})));
    world.gateway.metric_where("tidegate_requests_in_flight", "", |n| n == 1.0);
    drop(client);
    world.gateway.metric_where("tidegate_requests_in_flight", "", |n| n == 0.0);
    let gone = r#"kind="tools_call",end="client_gone""#;
    assert_eq!(world.gateway.metric("tidegate_requests_total", gone), 1.0);
}

#[test]
fn cancelled_is_forwarded_with_the_ids_that_the_backend_knows() {
    let (a, b) = (mock("a"), mock("b"));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    let mut client = world.client();
    client.send(&call(31, "a_slow", json!({"ms": 600_000})));
    seen(&a, "the call", |s| s.calls_running == 1);
    assert_eq!(client.again().post(&cancelled(31)).status, 202);
    seen(&a, "the cancellation", |s| s.cancelled == 1 && s.calls_running == 0);
    let answer = client.http.response();
    assert_eq!(answer.body.len(), 0, "the mock answers with an empty stream: {}", answer.text());
    assert_eq!(client.call_text("a_who", json!({})), "a");
}

#[test]
fn a_call_that_takes_too_long_is_answered_and_cancelled() {
    let (a, b) = (mock("a"), mock("b"));
    let vmcp = Vmcp::named("demo").bounded("a", a.addr, Duration::from_millis(250)).with("b", b.addr);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    let result = client.call("a_slow", json!({"ms": 600_000}));
    assert_eq!(result["isError"], true);
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert!(
        text.starts_with("operation timed out") && text.contains(" a ") && text.contains("250 ms"),
        "{text}"
    );
    seen(&a, "the cancellation", |s| s.requests_of("notifications/cancelled") == 1 && s.calls_running == 0);
    assert_eq!(
        client.call_text("b_slow", json!({"ms": 400})),
        "slept 400 ms",
        "the bound is the workload's own"
    );
    assert_eq!(client.call_text("a_who", json!({})), "a", "the session goes on");
    // a stream without a progress token is bounded in all; its last event says what happened
    client.send(&call(9, "a_stream_forever", json!({})));
    assert_eq!(client.http.head().status, 200);
    let events: Vec<_> = std::iter::from_fn(|| client.http.event()).collect();
    let last: Value = serde_json::from_str(events.last().expect("events")).expect("JSON");
    assert_eq!((&last["id"], &last["result"]["isError"]), (&json!(9), &json!(true)), "{last}");
    seen(&a, "the cancellation", |s| s.requests_of("notifications/cancelled") == 2 && s.calls_running == 0);
    assert_eq!(world.gateway.metric("tidegate_backend_timeouts_total", "mcpserver/a"), 2.0);
}

#[test]
fn progress_moves_the_bound_and_silence_does_not() {
    let puppet = Puppet::start();
    let world = World::of([&Vmcp::named("demo").bounded("a", puppet.addr, Duration::from_millis(600))]);
    let mut client = world.client();
    client.send(&call_with_progress(1, "a_act", json!({})));
    let mut act = puppet.act();
    act.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    client.http.head();
    let start = std::time::Instant::now();
    let mut n = 0;
    while start.elapsed() < Duration::from_millis(1500) {
        n += 1;
        act.chunk(&format!("event: message\ndata: {}\n\n", progress(n)));
        assert_eq!(client.http.event(), Some(progress(n)));
        // the pace of the backend, well within the bound
        std::thread::sleep(Duration::from_millis(50));
    }
    // now it falls silent
    let last = client.http.event().expect("the error");
    assert!(last.contains("operation timed out"), "{last}");
    assert_eq!(client.http.event(), None, "the stream ends as it should");
    act.closed();
    assert_eq!(client.post(&ping(2)).json()["result"], json!({}), "and the connection goes on");
}

#[test]
fn a_stream_that_stops_in_the_middle_of_an_event_ends_with_its_connection() {
    let puppet = Puppet::start();
    let world = World::of([&Vmcp::named("demo").bounded("a", puppet.addr, Duration::from_millis(300))]);
    let mut client = world.client();
    client.send(&call(1, "a_act", json!({})));
    let mut act = puppet.act();
    act.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    act.chunk("event: message\ndata: {\"half");
    client.http.head();
    let rest = client.http.into_rest();
    assert!(!rest.contains("operation timed out"));
    act.closed();
}

#[test]
fn a_slow_reader_gets_all_of_a_large_answer_and_holds_up_nobody() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    client.http = Http::narrow(world.gateway.addr);
    let size = 24 << 20;
    client.send(&call(1, "a_big", json!({"bytes": size})));
    let head = client.http.head();
    assert_eq!(head.status, 200);
    let mut other = world.client();
    for _ in 0..20 {
        assert_eq!(other.call_text("a_who", json!({})), "a");
    }
    let body: Value = serde_json::from_slice(&client.http.body()).expect("JSON");
    assert_eq!(body["result"]["content"][0]["text"].as_str().map(str::len), Some(size));
}

#[test]
fn a_reader_that_stops_is_cut_at_the_bound_of_writing_and_of_the_call_and_the_backend_is_not_blamed() {
    let a = mock("a");
    for (bound, read_ms) in [(Duration::from_secs(600), "500"), (Duration::from_secs(6), "600000")] {
        let server = Vmcp::named("demo").bounded("a", a.addr, bound);
        let world = World::with([&server], &["--read-ms", read_ms]);
        let mut client = world.client();
        client.http = Http::narrow(world.gateway.addr);
        client.send(&call(1, "a_big", json!({"bytes": 8 << 20})));
        let gone = r#"kind="tools_call",end="client_gone""#;
        world.gateway.metric_where("tidegate_requests_total", gone, |n| n == 1.0);
        assert!(client.http.into_rest().len() < 8 << 20);
        for (name, count) in [
            ("tidegate_slow_readers_total", 1.0),
            ("tidegate_backend_timeouts_total", 0.0),
            ("tidegate_backend_failures_total", 0.0),
            ("tidegate_faults_total", 0.0),
        ] {
            assert_eq!(world.gateway.metric(name, ""), count, "{name}");
        }
        assert!(world.gateway.log().contains("did not read"), "{bound:?}");
    }
}

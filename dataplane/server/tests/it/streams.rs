//! Answers that come in pieces, the stream of a session, and giving up.

use crate::sessions::seen;
use crate::support::http::{Http, Sse};
use crate::support::mcp::{call, call_with_progress, cancelled};
use crate::support::puppet::Puppet;
use crate::support::tables::{Vmcp, backend_id};
use crate::support::world::{World, mock, mock_with};
use serde_json::{Value, json};
use std::time::Duration;
use tidegate_bench_mock::Options;

const LIST_CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

fn puppet_world(puppet: &Puppet) -> World {
    World::of([&Vmcp::named("demo").with("a", puppet.addr)])
}

fn progress(n: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"p","progress":{n}}}}}"#
    )
}

#[test]
fn every_event_of_an_answer_arrives_before_the_next_is_sent() {
    let puppet = Puppet::start();
    let world = puppet_world(&puppet);
    let mut client = world.client();
    client.send(&call_with_progress(1, "a_act", json!({})));
    let mut act = puppet.act();
    act.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    let head = client.http.head();
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    assert_eq!(head.field("x-accel-buffering"), Some("no"));
    for n in 1..=20 {
        act.chunk(&format!("event: message\nid: {n}\ndata: {}\n\n", progress(n)));
        assert_eq!(client.http.event(), Some(progress(n)));
        assert!(client.http.silent());
    }
    // half an event is passed on too, and a comment
    act.chunk(": still here\n\nevent: mess");
    assert_eq!(client.http.sse(), Some(Sse::Comment("still here".into())));
    let result = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    act.chunk(&format!("age\ndata: {result}\n\n"));
    assert_eq!(client.http.event().as_deref(), Some(result));
    act.say("0\r\n\r\n");
    assert_eq!(client.http.event(), None);
    act.done();
    client.send(&call(2, "a_act", json!({})));
    let mut act = puppet.act();
    assert!(act.body.contains(r#""name":"act""#), "{}", act.body);
    act.answer(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#);
    assert_eq!(client.http.response().json()["id"], 2, "the connection goes on");
}

#[test]
fn progress_comes_on_the_answer_of_its_call_and_nowhere_else() {
    let a = mock_with(Options { get_stream: true, ..Options::named("a") });
    let world = World::over(&a);
    let mut client = world.client();
    let mut listener = client.listen();
    client.send(&call_with_progress(4, "a_progress", json!({"n": 3})));
    client.http.head();
    for n in 1..=3 {
        let message: Value = serde_json::from_str(&client.http.event().expect("progress")).expect("JSON");
        assert_eq!(message["params"], json!({"progressToken": "p", "progress": n, "total": 3}));
    }
    let result: Value = serde_json::from_str(&client.http.event().expect("a result")).expect("JSON");
    assert_eq!((&result["id"], client.http.event()), (&json!(4), None));
    assert!(listener.silent());
    client.send(&call(5, "a_sse", json!({"n": 2})));
    client.http.head();
    let events: Vec<String> = std::iter::from_fn(|| client.http.event()).collect();
    assert_eq!(events.len(), 3);
    assert!(events[0].contains(r#""data":"event 1""#) && events[2].contains(r#""id":5"#), "{events:?}");
}

#[test]
fn answers_are_passed_on_whatever_their_framing() {
    let puppet = Puppet::start();
    let world = puppet_world(&puppet);
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"n":1.0}}"#;
    let length = body.len();
    let json_head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let cases = [
        ("a length", format!("{json_head}content-length: {length}\r\n\r\n{body}"), true),
        (
            "a length behind interim heads",
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{json_head}Content-Length: {length}\r\n\r\n{body}"
            ),
            true,
        ),
        (
            "chunks",
            format!(
                "{json_head}transfer-encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                &body[..5],
                length - 5,
                &body[5..]
            ),
            true,
        ),
        (
            "chunks with trailers",
            format!(
                "{json_head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\nx-t: 1\r\n\r\n"
            ),
            true,
        ),
        ("an end", format!("{json_head}connection: close\r\n\r\n{body}"), false),
    ];
    for (what, answer, goes_on) in cases {
        for pause in [0, 9, 20, answer.len() - 3] {
            let mut client = world.client();
            client.send(&call(1, "a_act", json!({})));
            let mut act = puppet.act();
            act.say(&answer[..pause]);
            world.gateway.admin("/healthz");
            act.say(&answer[pause..]);
            drop(act);
            let got = client.http.response();
            assert_eq!((got.status, got.text()), (200, body.to_owned()), "{what}, pause at {pause}");
            if goes_on {
                assert_eq!(client.post(&crate::support::mcp::ping(2)).status, 200, "{what}");
            } else {
                client.http.closed();
            }
        }
    }
}

#[test]
fn what_is_no_mcp_answer_becomes_a_result_with_an_error() {
    let puppet = Puppet::start();
    let world = puppet_world(&puppet);
    let cases = [
        ("not HTTP", "hello\r\n\r\n", "backend unavailable"),
        (
            "HTML",
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
            "backend unavailable",
        ),
        (
            "a redirect",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
            "backend unavailable",
        ),
        ("a failure", "HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno", "backend unavailable"),
        ("too many requests", "HTTP/1.1 429 No\r\ncontent-length: 2\r\n\r\nno", "backend unavailable"),
        (
            "no authentication",
            "HTTP/1.1 401 No\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n",
            "authentication failed",
        ),
        (
            "two framings",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
            "backend unavailable",
        ),
        ("no answer", "", "backend unavailable"),
    ];
    for (what, answer, words) in cases {
        let mut client = world.client();
        client.send(&call(1, "a_act", json!({})));
        let mut act = puppet.act();
        act.say(answer);
        drop(act);
        let got = client.http.response();
        let message = got.json();
        let text = message["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert_eq!(
            (got.status, &message["result"]["isError"], &message["id"]),
            (200, &json!(true), &json!(1)),
            "{what}"
        );
        assert!(text.contains(words) && !text.contains(&puppet.addr.to_string()), "{what}: {text}");
        assert_eq!(
            client.post(&crate::support::mcp::ping(2)).status,
            200,
            "{what}: the client's connection goes on"
        );
    }
}

#[test]
fn half_an_answer_ends_with_the_clients_connection() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    client.send(&call(1, "a_close", json!({})));
    assert_eq!(client.http.head().status, 200);
    let rest = client.http.to_end();
    assert!(rest.len() < 90, "{rest}");
    let before = world.client().call("a_close", json!({"before": true}));
    assert_eq!(before["isError"], true, "{before}");
}

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
    let world = puppet_world(&puppet);
    let mut client = world.client();
    client.send(&call(1, "a_act", json!({})));
    let act = puppet.act();
    drop(client);
    act.closed();
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
    // a stream without a progress token is bounded in all: half of it is out, so the connection ends
    client.send(&call(9, "a_stream_forever", json!({})));
    assert_eq!(client.http.head().status, 200);
    client.http.to_end();
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
    client.http.to_end();
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
fn a_reader_that_stops_is_cut_at_the_bound() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").bounded("a", a.addr, Duration::from_secs(4))]);
    let mut client = world.client();
    client.http = Http::narrow(world.gateway.addr);
    client.send(&call(1, "a_big", json!({"bytes": 24 << 20})));
    let cut = r#"kind="tools_call",end="cut""#;
    world.gateway.metric_where("tidegate_requests_total", cut, |n| n == 1.0);
    assert!(client.http.to_end().len() < 24 << 20);
}

#[test]
fn the_stream_of_a_session_is_kept_alive_and_tells_of_changed_lists() {
    let a = mock_with(Options { get_stream: true, ..Options::named("a") });
    let b = mock("b");
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::with([&vmcp], &["--keep-alive-ms", "50"]);
    let client = world.client();
    let mut stream = client.listen();
    for _ in 0..3 {
        assert!(matches!(stream.sse(), Some(Sse::Comment(_))));
    }
    seen(&a, "the gateway's own stream", |s| s.streams_open >= 1);
    a.control(&serde_json::from_str(r#"{"tools":["fresh"],"list_changed":true}"#).expect("a control"));
    assert_eq!(stream.event().as_deref(), Some(LIST_CHANGED));
    assert_eq!(client.again().tools(), ["a_fresh"]);
    world.plane.publish(&crate::support::tables::table([&vmcp.clone().prefix("x_")]));
    assert_eq!(stream.event().as_deref(), Some(LIST_CHANGED));
    assert_eq!(client.again().tools(), ["x_fresh"]);
    world.plane.publish(&crate::support::tables::table([&vmcp.clone().with("b", b.addr)]));
    world.plane.backend(backend_id("b").as_str(), "is listed", |b| b.tools > 0);
    while client.again().tools().len() < 2 {
        assert_eq!(stream.event().as_deref(), Some(LIST_CHANGED));
    }
    world.gateway.metric_where("tidegate_streams_open", "default/demo", |n| n == 1.0);
    drop(stream);
    world.gateway.metric_where("tidegate_streams_open", "default/demo", |n| n == 0.0);
}

#[test]
fn nothing_is_told_when_nothing_changed_and_the_stream_ends_with_its_session() {
    let a = mock_with(Options { get_stream: true, ..Options::named("a") });
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    let mut streams: Vec<Http> = (0..3).map(|_| client.listen()).collect();
    let lists = a.stats().requests_of("tools/list");
    seen(&a, "the gateway's own stream", |s| s.streams_open >= 1);
    a.control(&serde_json::from_str(r#"{"list_changed":true}"#).expect("a control"));
    seen(&a, "another look at its list", |s| s.requests_of("tools/list") > lists);
    // a bound changes, the list does not
    let other = Vmcp::named("demo").bounded("a", a.addr, Duration::from_secs(9));
    world.publish([&other]);
    assert_eq!(client.call_text("a_echo", json!({})), "{}");
    assert!(streams.iter_mut().all(Http::silent));
    assert_eq!(client.delete().status, 200);
    for mut stream in streams {
        assert_eq!(stream.sse(), None);
    }
}

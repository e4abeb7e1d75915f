//! Answers that come in pieces.

use crate::support::http::Sse;
use crate::support::mcp::{call, call_with_progress, ping};
use crate::support::puppet::{Puppet, progress};
use crate::support::world::{World, mock, mock_with};
use serde_json::{Value, json};
use tidegate_bench_mock::Options;

#[test]
fn every_event_of_an_answer_arrives_before_the_next_is_sent() {
    let puppet = Puppet::start();
    let world = World::over_puppet(&puppet);
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
    let world = World::over_puppet(&puppet);
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
                assert_eq!(client.post(&ping(2)).status, 200, "{what}");
            } else {
                client.http.closed();
            }
        }
    }
}

#[test]
fn what_is_no_mcp_answer_becomes_a_result_with_an_error() {
    let puppet = Puppet::start();
    let world = World::over_puppet(&puppet);
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
        assert_eq!(client.post(&ping(2)).status, 200, "{what}: the client's connection goes on");
    }
}

#[test]
fn half_an_answer_ends_with_the_clients_connection() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    client.send(&call(1, "a_close", json!({})));
    assert_eq!(client.http.head().status, 200);
    let rest = client.http.into_rest();
    assert!(rest.len() < 90, "{rest}");
    let before = world.client().call("a_close", json!({"before": true}));
    assert_eq!(before["isError"], true, "{before}");
}

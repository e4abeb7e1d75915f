//! Opening, using and ending sessions.

use crate::support::finally;
use crate::support::mcp::{Client, call, initialize, list, ping};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use tidegate_bench_mock::{Mock, Stats};

/// Waits until the mock has seen it.
#[track_caller]
pub(crate) fn seen(mock: &Mock, what: &str, holds: impl Fn(&Stats) -> bool) {
    finally(what, || {
        let mut stats = mock.stats();
        if holds(&stats) {
            return Ok(());
        }
        stats.last_by_method.clear();
        Err(Box::new(stats))
    });
}

#[test]
fn c2_initialize_answers_in_the_clients_revision_and_gives_a_session() {
    let a = mock("a");
    let world = World::over(&a);
    for (asked, answered) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ] {
        let mut client = Client::without_session(world.gateway.addr, "/mcp");
        let answer = client.post(&initialize(asked));
        let message = answer.json();
        assert_eq!(answer.status, 200, "{message}");
        assert_eq!(message["result"]["protocolVersion"], answered, "{asked}");
        assert_eq!(message["result"]["serverInfo"]["name"], "demo");
        assert_eq!(message["result"]["capabilities"]["tools"]["listChanged"], true);
        assert_eq!(message["id"], 0);
        let session = answer.head.field("mcp-session-id").expect("a session");
        assert!(session.len() <= 4096 && session.bytes().all(|b| b.is_ascii_graphic()), "{session}");
        let backend = a.stats().last_by_method["initialize"].body.clone();
        assert!(backend.contains(&format!(r#""protocolVersion":"{answered}""#)), "{backend}");
        assert!(backend.contains(r#""name":"it""#), "the client's own name goes on: {backend}");
    }
}

#[test]
fn a_session_opens_one_session_at_every_backend_and_calls_use_it() {
    let (a, b) = (mock("a"), mock("b"));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    let before = [a.stats().sessions_opened, b.stats().sessions_opened];
    let mut client = world.client();
    for _ in 0..5 {
        assert_eq!(client.call_text("a_who", json!({})), "a");
        assert_eq!(client.call_text("b_who", json!({})), "b");
    }
    for (mock, before) in [(&a, before[0]), (&b, before[1])] {
        let stats = mock.stats();
        assert_eq!(stats.sessions_opened, before + 1, "{}", stats.name);
        let seen = &stats.last_by_method["tools/call"];
        assert_eq!(seen.header("mcp-protocol-version"), Some("2025-11-25"));
        assert_ne!(
            seen.header("mcp-session-id"),
            Some(&*client.session),
            "the backend has a session of its own"
        );
    }
}

#[test]
fn c3_requests_without_a_session_of_this_server_are_refused() {
    let a = mock("a");
    let servers = [Vmcp::named("one").with("a", a.addr), Vmcp::named("two").with("a", a.addr)];
    let world = World::of(&servers);
    let one = world.client_of("one");
    let mut two = world.client_of("two");
    let ended = {
        let mut client = world.client_of("one");
        assert_eq!(client.delete().status, 200);
        client.session
    };
    let mut flipped = one.session.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("ASCII");
    let cases = [
        ("none", String::new(), 400, -32600),
        ("nonsense", "nonsense".into(), 404, 404),
        ("altered", flipped, 404, 404),
        ("of another server", two.session.clone(), 404, 404),
        ("ended", ended, 404, 404),
    ];
    for (what, session, status, code) in cases {
        for message in [call(3, "a_who", json!({})), list(3), ping(3)] {
            let mut client = one.again();
            client.session.clone_from(&session);
            let answer = client.post(&message);
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (status, &json!(code)),
                "{what} {message}"
            );
            assert_eq!(answer.json()["id"], 3, "{what}");
        }
        for method in ["GET", "DELETE"] {
            let mut client = one.again();
            client.session.clone_from(&session);
            let request = client.head(method, "");
            client.http.send(request);
            assert_eq!(client.http.response().status, status, "{what} {method}");
        }
    }
    assert_eq!(a.stats().calls_of("who"), 0);
    assert_eq!(two.call_text("a_who", json!({})), "a", "the other session goes on");
}

#[test]
fn c12_delete_ends_the_backends_sessions_and_the_session_is_unknown_afterwards() {
    let (a, b) = (mock("a"), mock("b"));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    let mut client = world.client();
    let mut other = client.again();
    assert_eq!(other.call_text("a_who", json!({})), "a");
    let open = [a.stats().sessions_open, b.stats().sessions_open];
    assert_eq!(client.delete().status, 200);
    seen(&a, "the end of the session", |s| s.sessions_deleted == 1 && s.sessions_open == open[0] - 1);
    seen(&b, "the end of the session", |s| s.sessions_deleted == 1 && s.sessions_open == open[1] - 1);
    for client in [&mut client, &mut other] {
        assert_eq!(client.post(&call(1, "a_who", json!({}))).status, 404);
        assert_eq!(client.delete().status, 404);
    }
}

#[test]
fn an_expired_session_is_unknown() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--session-seconds", "2"]);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    until("it has expired", || client.post(&call(1, "a_who", json!({}))).status == 404);
    assert_eq!(world.client().call_text("a_who", json!({})), "a");
}

#[test]
fn ping_and_notifications_are_answered_here() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let pings = a.stats().requests_of("ping");
    let answer = client.post(&ping(5));
    assert_eq!((answer.status, answer.text()), (200, r#"{"jsonrpc":"2.0","id":5,"result":{}}"#.into()));
    for message in [
        json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}),
        json!({"jsonrpc": "2.0", "method": "notifications/unheard_of", "params": {"x": 1}}),
        json!({"jsonrpc": "2.0", "id": 9, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 9, "error": {"code": 1, "message": "no"}}),
    ] {
        let answer = client.post(&message);
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{message}");
    }
    let unknown = client.post(&json!({"jsonrpc": "2.0", "id": "x", "method": "resources/list"}));
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"], &unknown.json()["id"]),
        (200, &json!(-32601), &json!("x"))
    );
    assert_eq!(a.stats().requests_of("ping"), pings);
}

#[test]
fn a_lost_backend_session_is_opened_again_for_the_same_client() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    a.control(&serde_json::from_str(r#"{"drop_sessions":true}"#).expect("a control"));
    let first = client.call("a_who", json!({}));
    let text = first["content"][0]["text"].as_str().unwrap_or_default();
    assert!(text == "a" || first["isError"] == true && text.starts_with("backend unavailable"), "{first}");
    assert_eq!(client.call_text("a_who", json!({})), "a");
    until("the loss is counted", || {
        world.gateway.metric("tidegate_backend_sessions_lost_total", "mcpserver/a") >= 1.0
    });
}

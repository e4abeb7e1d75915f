//! Sessions that outlive their backends' ends, and calls that are sent again (spec 5.5, `mcp.md` 5.1).

use super::backend::Backend;
use super::failure;
use crate::support::mcp::{Client, call};
use crate::support::puppet::Puppet;
use crate::support::tables::Vmcp;
use crate::support::world::{World, mock};
use serde_json::json;
use tidegate_bench_mock::Control;
use tidegate_proto::table::ToolAnnotations;
use tidegate_proto::table::{ToolOverride, WorkloadTools};

const SESSIONS: usize = 64;

#[test]
fn a_backend_that_is_killed_under_load_fails_the_calls_in_flight_and_no_others() {
    const IN_FLIGHT: usize = 24;
    let mut b = Backend::start("b");
    let world = World::of([&Vmcp::named("demo").with("b", b.addr)]);
    let mut clients: Vec<Client> = (0..SESSIONS).map(|_| world.client()).collect();
    for client in &mut clients {
        assert_eq!(client.call_text("b_who", json!({})), "b");
    }
    for client in &mut clients[..IN_FLIGHT] {
        client.send(&call(1, "b_slow", json!({"ms": 600_000})));
    }
    b.seen("all calls", |s| s.calls_running == IN_FLIGHT as u64);
    b.kill();
    b.up();
    for client in &mut clients[..IN_FLIGHT] {
        let answer = client.http.response().json();
        assert!(failure(&answer["result"]).starts_with("backend unavailable"), "{answer}");
    }
    let sessions: Vec<String> = clients.iter().map(|c| c.session.clone()).collect();
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(client.call_text("b_who", json!({})), "b");
                }
            });
        }
    });
    let unchanged = clients.iter().map(|c| &c.session).eq(&sessions);
    assert!(unchanged, "no client initialized again");
    let stats = b.stats();
    assert_eq!(stats.calls_of("who"), 20 * SESSIONS as u64, "each was sent once");
    assert!(stats.sessions_opened <= 2 * SESSIONS as u64 + 8, "{} sessions", stats.sessions_opened);
}

#[test]
fn a_session_that_the_backend_forgot_is_made_anew_and_the_call_goes_through() {
    let (a, b) = (mock("a"), mock("b"));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    let mut clients: Vec<Client> = (0..8).map(|_| world.client()).collect();
    for client in &mut clients {
        assert_eq!(client.call_text("a_who", json!({})), "a");
        assert_eq!(client.call_text("b_who", json!({})), "b");
    }
    let untouched = b.stats().sessions_opened;
    a.control(&serde_json::from_str(r#"{"drop_sessions":true}"#).expect("a control"));
    for client in &mut clients {
        assert_eq!(client.call_text("a_who", json!({})), "a");
        assert_eq!(client.call_text("b_who", json!({})), "b");
    }
    assert_eq!(b.stats().sessions_opened, untouched, "the other backend's sessions are left alone");
}

#[test]
fn a_call_that_may_have_been_accepted_is_sent_again_only_where_that_is_allowed() {
    let check = |retry: bool, read_only: bool, sent: u64| {
        let a = mock("a");
        let vmcp = Vmcp::named("demo").with("a", a.addr).tuned(|s| {
            s.retry_idempotent = retry;
            let annotations =
                ToolAnnotations { read_only_hint: Some(read_only), ..ToolAnnotations::default() };
            let hint = ToolOverride { annotations: Some(annotations), ..ToolOverride::default() };
            s.aggregation.tools = vec![WorkloadTools {
                workload: "a".into(),
                filter: Vec::new(),
                overrides: [("who".to_owned(), hint)].into(),
                exclude_all: false,
            }];
        });
        let world = World::of([&vmcp]);
        let mut client = world.client();
        let reset = r#"{"faults":[{"on":["tools/call"],"times":1,"fault":{"reset":"request"}}]}"#;
        a.control(&serde_json::from_str(reset).expect("a control"));
        let result = client.call("a_who", json!({}));
        let again = sent > 1;
        assert_eq!(result["isError"] == true, !again, "{retry} {read_only}: {result}");
        assert_eq!(a.stats().requests_of("tools/call"), sent, "{retry} {read_only}");
        assert_eq!(client.call_text("a_who", json!({})), "a");
    };
    check(false, false, 1);
    check(false, true, 1);
    check(true, false, 1);
    check(true, true, 2);
}

#[test]
fn a_lost_session_is_opened_once_and_the_calls_are_said_again() {
    let (a, b) = (mock("a"), mock("b"));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    let mut client = world.client();
    let mut others: Vec<_> = (0..8).map(|_| client.again()).collect();
    let before = (a.stats().sessions_opened, b.stats().sessions_opened);
    a.control(&Control { drop_sessions: true, ..Control::default() });
    for one in &mut others {
        one.send(&call(1, "a_who", json!({})));
    }
    for one in &mut others {
        assert_eq!(one.http.response().json()["result"]["content"][0]["text"], "a");
    }
    assert_eq!(client.call_text("b_who", json!({})), "b");
    // the prober finds out for itself, in its own time
    let opened = a.stats().sessions_opened - before.0;
    assert!((1..=2).contains(&opened), "{opened} sessions opened");
    assert_eq!(b.stats().sessions_opened, before.1, "the other backend's session stays");
    assert!(world.gateway.metric("tidegate_backend_retries_total", "mcpserver/a") >= 1.0);
    assert_eq!(world.gateway.metric("tidegate_faults_total", ""), 0.0);
}

/// Servers on the TypeScript SDK answer 400 where the specification wants 404.
#[test]
fn a_server_that_says_400_of_a_session_that_it_forgot_gets_a_new_one() {
    let puppet = Puppet::start();
    let world = World::over_puppet(&puppet);
    let mut client = world.client();
    let refuse = |error: &str, id: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","error":{{"code":-32000,"message":"{error}"}},"id":{id}}}"#);
        let len = body.len();
        format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
        )
    };
    client.send(&call(1, "a_act", json!({})));
    let whole = refuse("Bad Request: No valid session ID provided", "null");
    let mut act = puppet.act();
    act.say(&whole[..whole.len() - 9]);
    act.say(&whole[whole.len() - 9..]);
    puppet.act().answer(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    assert_eq!(client.http.response().json()["result"], json!({"content": []}));
    // an answer to the request itself goes on as it is, whatever it speaks of
    client.send(&call(2, "a_act", json!({})));
    puppet.act().say(refuse("argument session is missing", "2"));
    let answer = client.http.response();
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32000)));
}

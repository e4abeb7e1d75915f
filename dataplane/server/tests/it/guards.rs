//! What stands before a backend and behind its failures: limits, breakers and bounds of tools, repetition, and what is
//! served without it.

use crate::sessions::seen;
use crate::support::mcp::{Client, call, initialize, list};
use crate::support::puppet::Puppet;
use crate::support::tables::{Vmcp, table};
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::{Value, json};
use std::time::Duration;
use tidegate_bench_mock::{Control, Fault, HangOn, Mock, Rule};
use tidegate_proto::table::{
    Backend, BreakerPolicy, Entry, EntryKey, HealthPolicy, PartialFailure, Table, ToolAnnotations,
    ToolOverride, VirtualServer, WorkloadTools,
};

const SECOND: Duration = Duration::from_secs(1);

/// The table of this, changed.
fn changed(vmcp: &Vmcp, server: impl Fn(&mut VirtualServer), backend: impl Fn(&mut Backend)) -> Table {
    let mut table = table([vmcp]);
    let keys: Vec<EntryKey> = table.entries.keys().cloned().collect();
    for key in keys {
        let mut entry = (*table.entries[&key]).clone();
        match &mut entry {
            Entry::VirtualServer(v) => server(v),
            Entry::Backend(b) => backend(b),
        }
        table.insert(entry);
    }
    table
}

fn no_change<T>(_: &mut T) {}

fn broken_calls(code: u16, times: Option<u64>) -> Control {
    let fault = Fault::Status { code, retry_after: None };
    Control {
        faults: Some(vec![Rule { on: ["tools/call".into()].into(), times, fault }]),
        ..Control::default()
    }
}

fn mended() -> Control {
    Control { faults: Some(Vec::new()), ..Control::default() }
}

fn hang_calls(on: bool) -> Control {
    let hang = if on { HangOn::Methods(["tools/call".into()].into()) } else { HangOn::All(false) };
    Control { hang: Some(hang), ..Control::default() }
}

/// The `error` of a call that is refused with one.
#[track_caller]
fn error(client: &mut Client, tool: &str) -> Value {
    client.post(&call(1, tool, json!({}))).json()["error"].take()
}

fn breaker(threshold: u32, open_for: Duration, per_tool: bool) -> Option<BreakerPolicy> {
    Some(BreakerPolicy { failure_threshold: threshold, open_for, per_tool })
}

#[test]
fn calls_beyond_the_limits_wait_and_beyond_those_are_refused_at_once() {
    let (a, b) = (mock("a"), mock("b"));
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr);
    let world = World::of([&vmcp]);
    world.publish_table(&changed(&vmcp, no_change, |b| (b.limits.requests, b.limits.pending) = (2, 1)));
    world.reached();
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    a.control(&hang_calls(true));
    let mut waiting: Vec<_> = (0..2).map(|_| client.again()).collect();
    for one in &mut waiting {
        one.send(&call(1, "a_who", json!({})));
    }
    seen(&a, "two calls", |s| s.requests_of("tools/call") == 3);
    waiting.push(client.again());
    waiting[2].send(&call(1, "a_who", json!({})));
    world.gateway.metric_where("tidegate_backend_calls_waiting", "mcpserver/a", |n| n == 1.0);
    let refused = client.post(&call(4, "a_who", json!({})));
    assert_eq!((refused.status, refused.head.field("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["id"], 4);
    assert_eq!(refused.json()["error"]["data"]["backend"], "a");
    assert_eq!(client.call_text("b_who", json!({})), "b", "the limit is the backend's own");
    a.control(&hang_calls(false));
    for one in &mut waiting {
        assert_eq!(one.http.response().json()["result"]["content"][0]["text"], "a");
    }
    assert_eq!(client.call_text("a_who", json!({})), "a");
    assert_eq!(world.gateway.metric("tidegate_backend_shed_total", "mcpserver/a"), 1.0);
    assert_eq!(a.stats().requests_of("tools/call"), 5, "the refused one was not sent");
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

#[test]
fn a_call_that_may_have_been_accepted_is_said_again_only_where_the_operator_and_its_tool_allow() {
    let a = mock("a");
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let read_only = |v: &mut VirtualServer| {
        let annotations = ToolAnnotations { read_only_hint: Some(true), ..ToolAnnotations::default() };
        let change = ToolOverride { annotations: Some(annotations), ..ToolOverride::default() };
        v.aggregation.tools = vec![WorkloadTools {
            workload: "a".into(),
            filter: Vec::new(),
            overrides: [("who".into(), change)].into(),
            exclude_all: false,
        }];
    };
    let world = World::of([&vmcp]);
    let mut client = world.client();
    let mut check = |table: &Table, tool: &str, calls: u64, works: bool| {
        world.publish_table(table);
        world.reached();
        let before = a.stats().requests_of("tools/call");
        a.control(&broken_calls(503, Some(1)));
        let result = client.call(tool, json!({}));
        a.control(&mended());
        assert_eq!(a.stats().requests_of("tools/call") - before, calls, "{tool}: {result}");
        assert_eq!(result["isError"] != json!(true), works, "{tool}: {result}");
    };
    check(&changed(&vmcp, read_only, no_change), "a_who", 1, false);
    let allowed = changed(
        &vmcp,
        |v| {
            read_only(v);
            v.retry_idempotent = true;
        },
        no_change,
    );
    check(&allowed, "a_who", 2, true);
    check(&allowed, "a_echo", 1, false);
}

#[test]
fn a_tool_has_a_bound_and_a_breaker_of_its_own() {
    let a = mock("a");
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::of([&vmcp]);
    let tuned = |v: &mut VirtualServer| {
        v.timeouts.tools = [("a_slow".into(), Duration::from_millis(200))].into();
        v.breaker = breaker(2, 600 * SECOND, true);
    };
    world.publish_table(&changed(&vmcp, tuned, no_change));
    let mut client = world.client();
    for _ in 0..2 {
        let result = client.call("a_slow", json!({"ms": 600_000}));
        let text = result["content"][0]["text"].as_str().expect("a text").to_owned();
        assert!(text.starts_with("operation timed out") && text.contains("200 ms"), "{text}");
    }
    let before = a.stats().requests_of("tools/call");
    let refused = error(&mut client, "a_slow");
    assert_eq!(refused["data"]["state"], "open", "{refused}");
    assert!(
        refused["data"]["retryAfterMs"].as_u64().is_some_and(|ms| ms > 500_000 && ms <= 600_000),
        "{refused}"
    );
    assert!(refused["message"].as_str().is_some_and(|m| m.starts_with("backend unavailable")), "{refused}");
    assert_eq!(a.stats().requests_of("tools/call"), before, "not sent");
    assert_eq!(client.call_text("a_who", json!({})), "a", "its other tools go on");
    assert_eq!(client.tools().len(), 12);
}

#[test]
fn a_breaker_outlives_every_edit_but_that_of_its_own_settings() {
    let a = mock("a");
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::of([&vmcp]);
    let guarded =
        |threshold: u32| move |v: &mut VirtualServer| v.breaker = breaker(threshold, 600 * SECOND, false);
    world.publish_table(&changed(&vmcp, guarded(2), no_change));
    let mut client = world.client();
    a.control(&broken_calls(500, None));
    for _ in 0..2 {
        assert_eq!(client.call("a_who", json!({}))["isError"], true);
    }
    a.control(&mended());
    assert_eq!(error(&mut client, "a_who")["data"]["state"], "open");
    let other = |v: &mut VirtualServer| {
        guarded(2)(v);
        v.status_interval = 7 * SECOND;
        v.members[0].call_timeout = 9 * SECOND;
    };
    world.publish_table(&changed(&vmcp, other, |b| b.limits.requests = 9));
    assert_eq!(error(&mut client, "a_who")["data"]["state"], "open", "nothing of the breaker was edited");
    world.publish_table(&changed(&vmcp, guarded(3), no_change));
    assert_eq!(client.call_text("a_who", json!({})), "a", "a breaker with other settings is a new one");
}

#[test]
fn where_all_backends_are_required_one_that_is_missing_fails_lists_and_sessions_but_no_call() {
    let (a, b) = (mock("a"), mock("b"));
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr);
    let world = World::of([&vmcp]);
    let strict = |mode: PartialFailure| {
        move |v: &mut VirtualServer| {
            v.partial_failure = mode;
            v.health = HealthPolicy {
                interval: Duration::from_millis(200),
                timeout: Duration::from_millis(150),
                unhealthy_threshold: 2,
                probe_remote: false,
            };
        }
    };
    world.publish_table(&changed(&vmcp, strict(PartialFailure::Fail), no_change));
    world.reached();
    let mut client = world.client();
    let mut stream = client.listen();
    b.control(&Control { fail_status: Some(500), ..Control::default() });
    let refused = |client: &mut Client| client.post(&list(1)).json()["error"].clone();
    until("the list is refused", || refused(&mut client)["data"] == json!({"backends": ["b"]}));
    assert_eq!(refused(&mut client)["code"], -32603);
    let mut fresh = Client::without_session(world.gateway.addr, "/mcp");
    let answer = fresh.post(&initialize("2025-11-25"));
    assert_eq!(answer.json()["error"]["data"], json!({"backends": ["b"]}));
    assert_eq!(answer.head.field("mcp-session-id"), None);
    assert_eq!(client.call_text("a_who", json!({})), "a", "a call needs its own backend only");

    world.publish_table(&changed(&vmcp, strict(PartialFailure::BestEffort), no_change));
    let list = client.post(&list(2)).json()["result"].take();
    assert_eq!(list["_meta"], json!({"dev.tidegate/missingBackends": ["b"]}));
    assert_eq!(list["tools"].as_array().map(Vec::len), Some(12));
    let opened = fresh.post(&initialize("2025-11-25"));
    assert_eq!(opened.json()["result"]["_meta"], json!({"dev.tidegate/missingBackends": ["b"]}));
    let changed = stream.event().expect("an event");
    assert!(changed.contains("notifications/tools/list_changed"), "{changed}");

    b.control(&Control { fail_status: Some(0), ..Control::default() });
    until("its tools are back", || client.tools().len() == 24);
    assert_eq!(client.call_text("b_who", json!({})), "b");
}

#[test]
fn an_edit_of_a_bound_holds_for_the_next_call_and_not_for_the_one_that_runs() {
    let a = mock("a");
    let bounded = |ms| Vmcp::named("demo").bounded("a", a.addr, Duration::from_millis(ms));
    let world = World::of([&bounded(600_000)]);
    let mut client = world.client();
    let mut running = client.again();
    running.send(&call(1, "a_slow", json!({"ms": 900})));
    seen(&a, "the call", |s| s.calls_running == 1);
    world.publish([&bounded(150)]);
    assert_eq!(client.call("a_slow", json!({"ms": 600_000}))["isError"], true, "the new bound");
    assert_eq!(running.http.response().json()["result"]["content"][0]["text"], "slept 900 ms");
}

#[test]
fn one_prober_serves_all_virtual_servers_that_share_a_backend() {
    let a = mock("a");
    let quick = |v: &mut VirtualServer| {
        v.health.interval = Duration::from_millis(300);
        v.health.timeout = Duration::from_millis(200);
    };
    let world = World::over(&a);
    let mut all = Table::default();
    for n in 0..20 {
        all.entries
            .extend(changed(&Vmcp::named(&format!("s{n}")).with("a", a.addr), quick, no_change).entries);
    }
    world.publish_table(&all);
    let before = probes(&a);
    until("some rounds of probes", || probes(&a) >= before + 5);
    let metric = || world.gateway.metric("tidegate_backend_probes_total", "mcpserver/a");
    let (start, counted) = (probes(&a), metric());
    until("some more", || metric() >= counted + 5.0);
    assert!((probes(&a) - start) as f64 <= metric() - counted + 2.0, "one request each, not twenty");
    assert_eq!(a.stats().sessions_opened, 1, "one persistent session");
}

fn probes(mock: &Mock) -> u64 {
    mock.stats().requests_of("ping") + mock.stats().requests_of("tools/list")
}

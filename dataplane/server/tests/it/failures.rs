//! Backends that fail, and what the others notice of it: nothing.

use crate::support::mcp::{Client, call};
use crate::support::tables::{Vmcp, backend_id};
use crate::support::world::{World, mock, mock_with};
use crate::support::{ports, until};
use serde_json::json;
use tidegate_bench_mock::{Control, HangOn, Options};
use tidegate_proto::wire::BackendHealth;

#[test]
fn a_hung_and_a_dead_backend_delay_nobody() {
    let good: Vec<_> = (0..6).map(|n| mock(&format!("good{n}"))).collect();
    let hung = mock("hung");
    hung.control(&Control { hang: Some(HangOn::All(true)), ..Control::default() });
    let mut vmcp = Vmcp::named("demo").with("hung", hung.addr).with("dead", ports::free());
    for mock in &good {
        vmcp = vmcp.with(&mock.stats().name, mock.addr);
    }
    let world = World::unsettled([&vmcp], &[]);
    world.plane.settled();
    // also the very first client waits for nobody who has not answered yet
    let first = world.client();
    for mock in &good {
        world.plane.backend(backend_id(&mock.stats().name).as_str(), "is up", |b| {
            b.health() == BackendHealth::Healthy
        });
    }
    for mut client in [first, world.client(), world.client()] {
        for tool in good.iter().map(|m| format!("{}_who", m.stats().name)) {
            assert_eq!(client.call_text(&tool, json!({})), tool.trim_end_matches("_who"));
        }
        assert_eq!(client.tools().len(), 12 * good.len());
    }
    let asked = &hung.stats().last_by_method["initialize"].body;
    assert!(!asked.contains(r#""name":"it""#), "a client's session waited for it: {asked}");
    world.plane.backend(backend_id("dead").as_str(), "is down", |b| {
        b.health() == BackendHealth::Unhealthy && !b.message.is_empty()
    });
}

#[test]
fn a_backend_that_hangs_later_holds_up_only_its_own_calls() {
    let (a, b) = (mock("a"), mock("b"));
    // the bound of its calls is longer than this test waits for anything
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    let mut client = world.client();
    a.control(&Control { hang: Some(HangOn::All(true)), ..Control::default() });
    let mut fresh = world.client();
    let mut waiting = client.again();
    waiting.send(&call(1, "a_who", json!({})));
    for client in [&mut client, &mut fresh] {
        assert_eq!(client.call_text("b_who", json!({})), "b");
        assert_eq!(client.tools().len(), 24, "what is known of it stays listed");
    }
    assert!(waiting.http.silent());
    a.control(&Control { hang: Some(HangOn::All(false)), ..Control::default() });
    assert_eq!(waiting.http.response().json()["result"]["content"][0]["text"], "a");
    for client in [&mut client, &mut fresh] {
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
}

#[test]
fn a_backend_that_restarts_serves_the_same_session_again() {
    let addr = ports::free();
    let start = || mock_with(Options { listen: addr, ..Options::named("a") });
    let a = start();
    let world = World::of([&Vmcp::named("demo").with("a", addr)]);
    let mut clients: Vec<Client> = (0..4).map(|_| world.client()).collect();
    for client in &mut clients {
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
    drop(a);
    until("the port is closed", || std::net::TcpStream::connect(addr).is_err());
    for client in &mut clients[..2] {
        let down = client.call("a_who", json!({}));
        let text = down["content"][0]["text"].as_str().expect("a text");
        assert!(down["isError"] == true && text.starts_with("backend unavailable"), "{down}");
        assert!(!text.contains(&addr.port().to_string()), "no address is told: {text}");
    }
    let _again = start();
    for client in &mut clients {
        let first = client.call("a_who", json!({}));
        if first["isError"] == true {
            assert_eq!(client.call_text("a_who", json!({})), "a", "at the second call at the latest");
        }
    }
}

#[test]
fn a_backend_that_comes_late_is_listed_and_called_by_sessions_that_were_there_before() {
    let addr = ports::free();
    let a = mock("a");
    let world = World::unsettled([&Vmcp::named("demo").with("a", a.addr).with("late", addr)], &[]);
    world.plane.settled();
    world.plane.backend(backend_id("a").as_str(), "is up", |b| b.health() == BackendHealth::Healthy);
    let mut client = world.client();
    assert_eq!(client.tools().len(), 12);
    let _late = mock_with(Options { listen: addr, ..Options::named("late") });
    until("its tools are listed", || client.tools().len() == 24);
    assert_eq!(client.call_text("late_who", json!({})), "late");
}

#[test]
fn a_connection_that_the_backend_closed_while_idle_is_not_used() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    for _ in 0..20 {
        assert_eq!(client.call_text("a_who", json!({})), "a");
        a.control(&Control { close_connections: true, ..Control::default() });
        until("they are closed", || a.stats().connections_open == 0);
    }
}

#[test]
fn a_backend_that_wants_no_sessions_is_called_without() {
    let a = mock_with(Options { stateless: true, ..Options::named("a") });
    let world = World::over(&a);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    assert_eq!(a.stats().last_by_method["tools/call"].header("mcp-session-id"), None);
    assert_eq!(client.delete().status, 200);
}

#[test]
fn a_backend_that_answers_in_events_is_understood() {
    let a = mock_with(Options { sse_answers: true, get_stream: true, ..Options::named("a") });
    let world = World::over(&a);
    let mut client = world.client();
    client.send(&call(3, "a_who", json!({})));
    assert_eq!(client.http.head().field("content-type"), Some("text/event-stream"));
    assert!(client.http.event().is_some_and(|e| e.contains(r#""text":"a""#)));
    assert_eq!(client.http.event(), None);
}

#[test]
fn a_backend_without_anything_is_reported_and_harms_nobody() {
    let a = mock("a");
    let empty = mock_with(Options::named("empty"));
    empty.control(&Control { tools: Some(Vec::new()), ..Control::default() });
    let failing = mock("failing");
    failing.control(&Control { fail_status: Some(500), ..Control::default() });
    let world = World::unsettled(
        [&Vmcp::named("demo").with("a", a.addr).with("empty", empty.addr).with("failing", failing.addr)],
        &[],
    );
    world.plane.backend(backend_id("a").as_str(), "is up", |b| {
        b.health() == BackendHealth::Healthy && b.tools == 12
    });
    world.plane.backend(backend_id("empty").as_str(), "is up", |b| {
        b.health() == BackendHealth::Healthy && b.tools == 0
    });
    world.plane.backend(backend_id("failing").as_str(), "is down", |b| {
        b.health() == BackendHealth::Unhealthy && b.message == "Backend unavailable"
    });
    let mut client = world.client();
    until("the list is whole", || client.tools().len() == 12);
    assert_eq!(client.call_text("a_who", json!({})), "a");
    failing.control(&Control { fail_status: Some(0), ..Control::default() });
    until("it recovers", || client.tools().len() == 24);
}

//! Edits of endpoints alone.

use super::pods::Pods;
use crate::sessions::seen;
use crate::support::gateway::Gateway;
use crate::support::mcp::{Client, call};
use crate::support::ports;
use crate::support::tables::{Vmcp, table};
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tidegate_proto::table::Endpoint;

#[test]
fn a_call_in_flight_ends_at_an_endpoint_that_goes_meanwhile() {
    let pods = Pods::start(2);
    let world = World::of([&pods.all()]);
    let mut client = pods.session_at(&world, 0);
    client.send(&call(3, "a_slow", json!({"ms": 300})));
    seen(pods.pod(0), "the call", |s| s.calls_running == 1);
    world.publish([&pods.with(&pods.endpoints()[1..])]);
    assert_eq!(client.http.response().json()["result"]["content"][0]["text"], "slept 300 ms");
    assert_eq!(client.call_text("a_who", json!({})), "pod-1");
    assert_eq!(pods.stats(1).calls_of("slow"), 0);
}

#[test]
fn an_edit_of_endpoints_resets_nothing() {
    let mut pods = Pods::start(3);
    let vmcp = |list: &[Endpoint], pods: &Pods| pods.with(list).breaker(3, crate::support::DEADLINE);
    let list = pods.endpoints();
    let world = World::of([&vmcp(&list[..2], &pods)]);
    let mut client = pods.session_at(&world, 0);
    let metric = |name: &str| world.gateway.metric(name, "mcpserver/a");
    let before = [
        metric("tidegate_backend_connects_total"),
        metric("tidegate_backend_sessions_opened_total"),
        metric("tidegate_backend_probes_total"),
        world.gateway.metric("tidegate_catalog_merges_total", ""),
    ];
    let accepted = pods.stats(0).connections_accepted;
    // the other may be where the prober is: it stays
    for n in 0..10 {
        let third = if n % 2 == 0 { &list[..] } else { &list[..2] };
        world.publish([&vmcp(third, &pods)]);
        assert_eq!(client.call_text("a_who", json!({})), "pod-0");
    }
    let after = [
        metric("tidegate_backend_connects_total"),
        metric("tidegate_backend_sessions_opened_total"),
        metric("tidegate_backend_probes_total"),
        world.gateway.metric("tidegate_catalog_merges_total", ""),
    ];
    assert_eq!(after, before, "connections, sessions, probes and merges");
    assert_eq!(pods.stats(0).connections_accepted, accepted);
    // a breaker that is open stays so
    (0..3).for_each(|n| pods.kill(n));
    while client.post(&call(1, "a_who", json!({}))).json()["error"].is_null() {}
    world.publish_table(&table([&vmcp(&list[..1], &pods)]));
    let refused = client.post(&call(1, "a_who", json!({}))).json();
    assert_eq!(refused["error"]["data"]["state"], "open", "{refused}");
}

#[test]
fn no_request_is_lost_while_endpoints_come_drain_and_go_under_load() {
    let pods = Pods::start(4);
    let world = World::of([&pods.all()]);
    let all = pods.endpoints();
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for n in 0..12 {
            let mut client: Client = world.client();
            let (stop, calls, world) = (&stop, &calls, &world);
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    let i = calls.fetch_add(1, Relaxed);
                    assert_eq!(client.call_text("a_echo", json!({"i": i})), format!(r#"{{"i":{i}}}"#));
                    if n % 4 == 0 && i % 16 == 0 {
                        client = world.client();
                    }
                }
            });
        }
        let _stopped = StopWhenDropped(&stop);
        for round in 0..120_usize {
            // one goes, after it drained in the round before; the next one drains
            let mut list = all.clone();
            list[(round + 1) % 4].draining = true;
            list.remove(round % 4);
            world.publish_table(&pods.table_of(pods.with(&list)));
            let before = calls.load(Relaxed);
            until("calls go on", || calls.load(Relaxed) > before + 12);
        }
    });
    let sum = |name: &str| world.gateway.metric(name, "");
    assert_eq!(sum("tidegate_faults_total"), 0.0, "after {} calls", calls.load(Relaxed));
    assert!(sum("tidegate_backend_sessions_moved_total") > 0.0);
    assert_eq!(sum("tidegate_backend_sessions_lost_total"), 0.0);
    assert_eq!(sum("tidegate_backend_probe_failures_total"), 0.0);
}

/// Ends the load also when the test fails.
struct StopWhenDropped<'s>(&'s AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn gateways_with_addresses_of_their_own_share_no_ports() {
    let a = mock("a");
    let port = ports::free().port();
    let unspecified = SocketAddr::from(([0, 0, 0, 0], port));
    let vmcp = Vmcp::named("demo").with("a", a.addr).listen(unspecified);
    let world = World::with([&vmcp], &["--address", "127.0.0.2"]);
    let urls = world.plane.seen().virtual_servers["default/demo"].urls.clone();
    assert_eq!(urls[0], format!("http://127.0.0.2:{port}/mcp"));
    let other = Gateway::start(&world.plane.address(), &["--address", "127.0.0.3"]);
    until("the other node has the tools", || other.metric("tidegate_tools", "default/demo") > 0.0);
    assert!(world.plane.seen().refusals.is_empty(), "{:?}", world.plane.seen().refusals);
    for ip in [[127, 0, 0, 2], [127, 0, 0, 3]] {
        let mut client = Client::open(SocketAddr::from((ip, port)), "/mcp");
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens elsewhere");
}

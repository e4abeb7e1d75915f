//! Tables that change under load.

use crate::sessions::seen;
use crate::support::mcp::{Client, call};
use crate::support::puppet::Puppet;
use crate::support::tables::{Vmcp, table};
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[test]
fn a_call_in_flight_ends_under_the_table_it_began_with() {
    let puppet = Puppet::start();
    let a = mock("a");
    let vmcp = Vmcp::named("demo").with("p", puppet.addr);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    client.send(&call(1, "p_act", json!({})));
    let mut act = puppet.act();
    // its backend is gone, its name too
    world.publish([&Vmcp::named("demo").with("a", a.addr)]);
    assert_eq!(client.again().call_text("a_who", json!({})), "a");
    act.answer(r#"{"jsonrpc":"2.0","id":1,"result":{"done":true}}"#);
    assert_eq!(client.http.response().json()["result"], json!({"done": true}));
    let gone = client.post(&call(2, "p_act", json!({}))).json();
    assert_eq!(gone["error"]["code"], -32602);
    assert_eq!(client.call_text("a_who", json!({})), "a");

    client.send(&call(3, "a_slow", json!({"ms": 500})));
    seen(&a, "the call", |s| s.calls_running == 1);
    world.publish_table(&table([&Vmcp::named("other").with("a", a.addr)]));
    assert_eq!(client.http.response().json()["result"]["content"][0]["text"], "slept 500 ms");
    assert_eq!(client.post(&call(4, "a_who", json!({}))).status, 404, "its virtual server is gone");
}

#[test]
fn sessions_go_on_when_names_bounds_and_neighbours_change() {
    let (a, b) = (mock("a"), mock("b"));
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    let opened = a.stats().sessions_opened;
    assert_eq!(client.call_text("a_who", json!({})), "a");
    world.publish([&vmcp.clone().prefix("{workload}.")]);
    assert_eq!(client.call_text("a.who", json!({})), "a");
    world.publish_table(&table([&vmcp.clone().prefix("x_").with("b", b.addr)]));
    assert_eq!(client.tools().len(), 12, "of equal names one is served");
    world.publish([&vmcp.clone().with("b", b.addr)]);
    assert_eq!(
        client.call_text("b_who", json!({})),
        "b",
        "a new backend's session is opened when it is needed"
    );
    world.publish([&Vmcp::named("demo").bounded("a", a.addr, Duration::from_secs(3))]);
    assert_eq!(client.call_text("a_who", json!({})), "a");
    assert_eq!(a.stats().sessions_opened, opened, "the backend's session is the same all the time");
}

#[test]
fn a_backend_that_moves_is_called_at_its_new_address() {
    let (old, new) = (mock("old"), mock("new"));
    let world = World::of([&Vmcp::named("demo").with("a", old.addr)]);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "old");
    world.publish([&Vmcp::named("demo").with("a", new.addr)]);
    let first = client.call("a_who", json!({}));
    if first["isError"] == true {
        assert_eq!(client.call_text("a_who", json!({})), "new");
    } else {
        assert_eq!(first["content"][0]["text"], "new");
    }
    seen(&old, "the end of the gateway's own session", |s| s.sessions_deleted >= 1);
}

#[test]
fn no_request_fails_while_tables_come_under_load() {
    let (a, b, c) = (mock("a"), mock("b"), mock("c"));
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr);
    let world = World::of([&vmcp]);
    let stop = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for n in 0..16 {
            let mut client: Client = world.client_of("demo");
            let (stop, calls) = (&stop, &calls);
            scope.spawn(move || {
                let tool = if n % 2 == 0 { "a_echo" } else { "b_echo" };
                while !stop.load(Relaxed) {
                    let i = calls.fetch_add(1, Relaxed);
                    assert_eq!(client.call_text(tool, json!({"i": i})), format!(r#"{{"i":{i}}}"#));
                }
            });
        }
        let _stopped = StopWhenDropped(&stop);
        let swaps = world.gateway.metric("tidegate_table_swaps_total", "");
        for i in 0..200_u64 {
            let bound = Duration::from_secs(30 + i % 7);
            let mut next = Vmcp::named("demo").bounded("a", a.addr, bound).with("b", b.addr);
            if i % 3 == 0 {
                next = next.with("c", c.addr);
            }
            let other = Vmcp::named("other").with("b", b.addr).prefix(&format!("p{i}_"));
            world.publish_table(&table([&next, &other]));
        }
        assert!(world.gateway.metric("tidegate_table_swaps_total", "") - swaps >= 200.0);
        let before = calls.load(Relaxed);
        until("calls go on", || calls.load(Relaxed) > before + 100);
    });
    let faults = world.gateway.metric("tidegate_faults_total", "");
    assert_eq!(faults, 0.0, "after {} calls", calls.load(Relaxed));
    assert_eq!(world.gateway.metric("tidegate_backend_sessions_lost_total", ""), 0.0);
}

/// Ends the load also when the test fails.
struct StopWhenDropped<'s>(&'s AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_new_key_seals_and_the_old_one_still_opens() {
    use tidegate_proto::keys::{KeyRing, SessionKey};
    let key = |id: &str, byte| SessionKey { id: id.into(), secret: [byte; 32] };
    let a = mock("a");
    let world = World::over(&a);
    let mut old = world.client();
    let before = world.plane.seen().verdicts;
    world.plane.rotate(KeyRing { keys: vec![key("k2", 9), key("k1", 7)] });
    until("the new key is there", || world.plane.seen().verdicts > before);
    let mut new = world.client();
    assert_eq!(old.call_text("a_who", json!({})), "a");
    assert_eq!(new.call_text("a_who", json!({})), "a");
    let verdicts = world.plane.seen().verdicts;
    world.plane.rotate(KeyRing { keys: vec![key("k2", 9)] });
    until("the old key is gone", || world.plane.seen().verdicts > verdicts);
    // on threads that know it and on threads that do not
    for _ in 0..8 {
        assert_eq!(new.again().call_text("a_who", json!({})), "a");
        let refused = old.again().post(&call(1, "a_who", json!({})));
        assert_eq!(refused.status, 404, "what only the old key opens is unknown");
    }
    assert_eq!(old.post(&call(1, "a_who", json!({}))).status, 404);
}

//! Probes and what they decide (spec 5.1 to 5.3, 5.5).

use super::backend::Backend;
use super::{INTERVAL, PROBE, is};
use crate::support::tables::Vmcp;
use crate::support::world::{World, mock};
use crate::support::{DEADLINE, until};
use serde_json::json;
use std::time::Duration;
use tidegate_bench_mock::{Control, HangOn, Mock};
use tidegate_proto::table::Locality;
use tidegate_proto::wire::BackendHealth::{Degraded, Healthy, Unauthenticated, Unhealthy, Unknown};

/// What the probes of a backend send, and nobody else.
fn probes(mock: &Mock) -> u64 {
    let stats = mock.stats();
    ["initialize", "ping", "tools/list"].iter().map(|m| stats.requests_of(m)).sum()
}

#[test]
fn e1_a_backend_that_stops_answering_is_unavailable_after_three_probes_and_its_tools_leave_the_list() {
    let a = mock("a");
    let b = Backend::start("b");
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr).probed(INTERVAL, PROBE, 3);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    let mut stream = client.listen();
    assert_eq!(client.tools().len(), 24);
    b.freeze();
    let down = is(&world, "b", Unhealthy);
    assert!(down.consecutive_failures >= 3, "{down:?}");
    assert!(stream.event().is_some_and(|e| e.contains("notifications/tools/list_changed")), "it is told");
    let tools = client.tools();
    assert!(tools.len() == 12 && tools.iter().all(|t| t.starts_with("a_")), "{tools:?}");
    assert_eq!(client.call_text("a_who", json!({})), "a");
    let log = world.gateway.log();
    assert!(log.contains("Health check timed out"), "{log}");
}

#[test]
fn e2_a_backend_that_recovers_is_degraded_for_one_cycle_and_then_healthy() {
    let b = Backend::start("b");
    // a cycle that is longer than a node's pause between two reports
    let cycle = Duration::from_secs(1);
    let world = World::of([&Vmcp::named("demo").with("b", b.addr).probed(cycle, PROBE, 2)]);
    let mut client = world.client();
    b.freeze();
    is(&world, "b", Unhealthy);
    until("its tools leave", || client.tools().is_empty());
    let mut stream = client.listen();
    b.thaw();
    is(&world, "b", Degraded);
    assert!(stream.event().is_some_and(|e| e.contains("notifications/tools/list_changed")), "they come back");
    assert_eq!(client.tools().len(), 12, "degraded is used");
    let up = is(&world, "b", Healthy);
    assert_eq!(up.consecutive_failures, 0);
    assert_eq!(client.call_text("b_who", json!({})), "b", "the session was never lost");
}

#[test]
fn e3_a_backend_that_takes_six_seconds_for_a_probe_is_degraded_and_its_tools_stay() {
    let a = mock("a");
    let slow = r#"{"faults":[{"on":["initialize"],"times":1,"fault":{"delay":6000}}]}"#;
    a.control(&serde_json::from_str(slow).expect("a control"));
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::unsettled([&vmcp.probed(Duration::from_secs(11), Duration::from_secs(10), 3)], &[]);
    world.plane.settled();
    let degraded = is(&world, "a", Degraded);
    assert_eq!(degraded.message, "Degraded performance");
    let mut client = world.client();
    until("its tools are listed", || client.tools().len() == 12);
    assert_eq!(client.call_text("a_who", json!({})), "a");
}

#[test]
fn e4_a_backend_that_wants_a_credential_is_unauthenticated_and_hidden() {
    let (a, b) = (mock("a"), mock("b"));
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr).probed(INTERVAL, PROBE, 2);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    for code in [401, 403] {
        let refuse = Control { fail_status: Some(code), ..Control::default() };
        b.control(&refuse);
        let locked = is(&world, "b", Unauthenticated);
        assert!(locked.message.starts_with("Authentication misconfigured"), "{locked:?}");
        until("its tools leave", || client.tools().len() == 12);
        b.control(&Control { fail_status: Some(0), ..Control::default() });
        is(&world, "b", Healthy);
        until("its tools come back", || client.tools().len() == 24);
    }
}

#[test]
fn e9_a_remote_backend_is_probed_only_on_request_and_usable_without() {
    let (near, far) = (mock("near"), mock("far"));
    let vmcp = |probe_remote| {
        Vmcp::named("demo")
            .with("far", far.addr)
            .backends(|b| b.locality = Locality::Remote)
            .with("near", near.addr)
            .probed(INTERVAL, PROBE, 3)
            .tuned(|s| s.health.probe_remote = probe_remote)
    };
    let world = World::unsettled([&vmcp(false)], &[]);
    world.plane.settled();
    is(&world, "near", Healthy);
    let mut client = world.client();
    until("all tools are listed", || client.tools().len() == 24);
    assert_eq!(client.call_text("far_who", json!({})), "far");
    let (before, there) = (probes(&far), probes(&near));
    until("its neighbour is probed ten times", || probes(&near) >= there + 10);
    assert_eq!(probes(&far), before, "nothing but the list was read, once");
    let unknown = is(&world, "far", Unknown);
    assert!(unknown.checked_unix_ms == 0 && !unknown.probed, "{unknown:?}");

    world.publish_table(&crate::support::tables::table([&vmcp(true)]));
    is(&world, "far", Healthy);
    let before = probes(&far);
    until("it is probed again and again", || probes(&far) >= before + 5);
}

#[test]
fn e10_a_local_backend_is_probed_whatever_is_said_of_remote_ones() {
    for probe_remote in [false, true] {
        let a = mock("a");
        let vmcp = Vmcp::named("demo").with("a", a.addr).probed(INTERVAL, PROBE, 3);
        let _world = World::of([&vmcp.tuned(|s| s.health.probe_remote = probe_remote)]);
        let before = probes(&a);
        until("it is probed again and again", || probes(&a) >= before + 5);
        assert_eq!(a.stats().sessions_opened, 1, "all in one session");
    }
}

#[test]
fn e11_initialize_does_not_wait_for_an_unhealthy_backend() {
    let (a, b) = (mock("a"), mock("b"));
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr).probed(INTERVAL, PROBE, 2);
    let world = World::of([&vmcp]);
    b.control(&Control { hang: Some(HangOn::All(true)), ..Control::default() });
    is(&world, "b", Unhealthy);
    let of_clients = || {
        let last = b.stats().last_by_method["initialize"].body.clone();
        last.contains(r#""name":"it""#)
    };
    assert!(!of_clients());
    // the bound of its requests is longer than this test waits for anything
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    assert!(!of_clients(), "it is not asked at all");
    b.control(&Control { hang: Some(HangOn::All(false)), ..Control::default() });
    is(&world, "b", Healthy);
    until("its tools are there", || client.tools().len() == 24);
    assert_eq!(client.call_text("b_who", json!({})), "b", "a session that was there before");
}

#[test]
fn one_prober_serves_virtual_servers_with_thresholds_of_their_own() {
    let b = Backend::start("b");
    let strict = Vmcp::named("strict").with("b", b.addr).probed(INTERVAL, PROBE, 1);
    let patient = Vmcp::named("patient").with("b", b.addr).probed(INTERVAL, PROBE, 1_000);
    let world = World::of([&strict, &patient]);
    assert_eq!(b.stats().sessions_opened, 1, "one session for both");
    b.freeze();
    let health = |name: &str| {
        let seen = world.plane.seen();
        seen.virtual_servers[&format!("default/{name}")].members[0].health()
    };
    until("the strict one gives up", || health("strict") == Unhealthy);
    assert_eq!(health("patient"), Healthy);
    b.thaw();
    until("it comes back", || health("strict") == Healthy);
}

#[test]
fn a_call_that_fails_brings_the_next_probe_forward() {
    let mut b = Backend::start("b");
    // longer than this test waits for anything
    let interval = 2 * DEADLINE;
    let vmcp = Vmcp::named("demo").with("b", b.addr).probed(interval, Duration::from_secs(5), 1);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    b.kill();
    client.call("b_who", json!({}));
    let down = is(&world, "b", Unhealthy);
    assert_eq!(down.message, "Connection failed");
    b.up();
}

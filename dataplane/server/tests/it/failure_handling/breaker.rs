//! Circuit breakers (spec 5.4).

use super::backend::Backend;
use super::{circuit, failure, standing};
use crate::support::mcp::{Client, call};
use crate::support::tables::{Vmcp, table};
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::{Value, json};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tidegate_bench_mock::{Control, HangOn, Mock};
use tidegate_proto::table::Locality;
use tidegate_proto::wire::BackendHealth::{Healthy, Unhealthy};
use tidegate_proto::wire::BreakerState::{Closed, HalfOpen, Open};

/// Long enough that nothing of a test happens after it.
const AGES: Duration = Duration::from_secs(600);
/// The least that a breaker may be open.
const SHORT: Duration = Duration::from_secs(1);

/// Has all requests fail from now on, or none.
fn fails(mock: &Mock, on: bool) {
    mock.control(&Control { fail_status: Some(if on { 500 } else { 0 }), ..Control::default() });
}

/// The error of a call that was refused.
#[track_caller]
fn refusal(client: &mut Client, tool: &str) -> Value {
    let answer = client.post(&call(1, tool, json!({})));
    let mut message = answer.json();
    assert!(message["result"].is_null(), "{message}");
    message["error"].take()
}

/// Calls that reached the backend.
fn calls(mock: &Mock) -> u64 {
    mock.stats().requests_of("tools/call")
}

/// Fails as many calls as the threshold says.
#[track_caller]
fn trip(client: &mut Client, tool: &str, threshold: u32) {
    for _ in 0..threshold {
        failure(&client.call(tool, json!({})));
    }
}

#[test]
fn e6_three_failures_open_it_and_one_trial_after_the_timeout_closes_it() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).breaker(3, Duration::from_secs(2))]);
    let mut client = world.client();
    assert_eq!(circuit(&world, "a", Closed).breaker_changed_unix_ms, 0);
    fails(&a, true);
    trip(&mut client, "a_who", 3);
    let open = circuit(&world, "a", Open);
    assert!(open.breaker_changed_unix_ms > 0 && open.consecutive_failures == 3, "{open:?}");
    let sent = calls(&a);
    let error = refusal(&mut client, "a_who");
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("backend unavailable") && message.contains("circuit breaker"), "{message}");
    assert_eq!((&error["data"]["backend"], &error["data"]["state"]), (&json!("a"), &json!("open")));
    assert!((1..=2_000).contains(&error["data"]["retryAfterMs"].as_u64().expect("a number")), "{error}");
    for _ in 0..10 {
        refusal(&mut client, "a_echo");
    }
    assert_eq!(calls(&a), sent, "nothing was sent");
    until("its tools leave the list", || client.tools().is_empty());
    fails(&a, false);
    circuit(&world, "a", Closed);
    assert_eq!(client.call_text("a_who", json!({})), "a");
    until("its tools come back", || client.tools().len() == 12);
    let log = world.gateway.log();
    for line in
        ["circuit breaker OPENED (threshold exceeded)", "circuit breaker CLOSED (recovery successful)"]
    {
        assert!(log.contains(line), "{line}");
    }
}

#[test]
fn e7_the_breaker_of_one_backend_does_not_touch_the_other() {
    let (a, b) = (mock("a"), mock("b"));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr).breaker(2, AGES)]);
    let mut client = world.client();
    fails(&a, true);
    trip(&mut client, "a_who", 2);
    circuit(&world, "a", Open);
    for _ in 0..20 {
        refusal(&mut client, "a_who");
        assert_eq!(client.call_text("b_who", json!({})), "b");
    }
    assert_eq!(standing(&world, "b").expect("reported").breaker(), Closed);
}

#[test]
fn what_says_nothing_of_the_backends_health_never_counts() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).breaker(1, AGES)]);
    let mut client = world.client();
    failure(&client.call("a_fail", json!({})));
    assert_eq!(client.post(&call(1, "a_rpc_error", json!({}))).json()["error"]["code"], -32603);
    for status in [401, 403, 404, 429] {
        client.post(&call(1, "a_status", json!({"status": status})));
    }
    let mut gone = client.again();
    gone.send(&call(9, "a_slow", json!({"ms": 600_000})));
    until("the call runs", || a.stats().calls_running == 1);
    drop(gone);
    until("the call is over", || a.stats().calls_running == 0);
    assert_eq!(standing(&world, "a").expect("reported").breaker(), Closed);
    assert_eq!(client.call_text("a_who", json!({})), "a");
    failure(&client.call("a_status", json!({"status": 500})));
    circuit(&world, "a", Open);
}

#[test]
fn of_64_callers_exactly_one_is_the_trial_of_a_half_open_window() {
    const CALLERS: usize = 64;
    const WINDOWS: u64 = 3;
    let a = mock("a");
    // one that is not probed: only calls can be trials
    let vmcp = Vmcp::named("demo").with("a", a.addr).backends(|b| b.locality = Locality::Remote);
    let world = World::unsettled([&vmcp.breaker(1, SHORT)], &[]);
    world.plane.settled();
    let mut first = world.client();
    until("its tools are listed", || first.tools().len() == 12);
    let clients: Vec<Client> = (0..CALLERS).map(|_| world.client()).collect();
    trip(&mut first, "a_status", 1);
    let barrier = Barrier::new(CALLERS);
    let trials = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for mut client in clients {
            let (barrier, trials) = (&barrier, &trials);
            scope.spawn(move || {
                for window in 1..=WINDOWS {
                    barrier.wait();
                    // all of them ask again and again until one got through
                    while trials.load(Relaxed) < window {
                        let answer = client.post(&call(1, "a_status", json!({}))).json();
                        trials.fetch_add(u64::from(answer["error"].is_null()), Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(trials.into_inner(), WINDOWS);
    assert_eq!(calls(&a), 1 + WINDOWS, "one that opened it, and one in each window");
    let refused = world.gateway.metric("tidegate_faults_total", r#"code="circuit_open""#);
    assert!(refused >= (CALLERS - 1) as f64, "{refused}");
}

#[test]
fn an_unhealthy_backends_open_breaker_closes_by_a_probe_without_any_call() {
    let mut b = Backend::start("b");
    let vmcp = Vmcp::named("demo").with("b", b.addr).breaker(2, SHORT);
    let world = World::of([&vmcp.probed(super::INTERVAL, super::PROBE, 2)]);
    b.kill();
    circuit(&world, "b", Open);
    b.up();
    circuit(&world, "b", Closed);
}

#[test]
fn a_breaker_of_its_own_for_each_tool_leaves_the_others_alone() {
    let a = mock("a");
    let vmcp = Vmcp::named("demo").with("a", a.addr).breaker(2, AGES);
    let world = World::of([&vmcp.tuned(|s| s.breaker.as_mut().expect("it has one").per_tool = true)]);
    let mut client = world.client();
    for _ in 0..2 {
        failure(&client.call("a_status", json!({"status": 500})));
    }
    assert!(
        refusal(&mut client, "a_status")["message"].as_str().is_some_and(|m| m.contains("circuit breaker"))
    );
    assert_eq!(client.call_text("a_who", json!({})), "a");
}

#[test]
fn a_breaker_a_health_state_a_session_and_a_retry_budget_survive_a_thousand_unrelated_swaps() {
    let (a, b) = (mock("a"), Backend::down("b"));
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr).breaker(2, AGES);
    let vmcp = vmcp.probed(Duration::from_secs(2), Duration::from_secs(1), 1);
    let other = |n: u32| Vmcp::named("other").with("a", a.addr).prefix(&format!("p{n}_{{workload}}_"));
    let world = World::unsettled([&vmcp, &other(0)], &[]);
    world.plane.settled();
    super::is(&world, "a", Healthy);
    super::is(&world, "b", Unhealthy);
    let mut client = world.client_of("demo");
    a.control(&Control { drop_sessions: true, ..Control::default() });
    assert_eq!(client.call_text("a_who", json!({})), "a", "it is sent again, on the budget");
    let sent_again = || world.gateway.metric("tidegate_backend_retries_total", "mcpserver/a");
    assert_eq!(sent_again(), 1.0);
    trip(&mut client, "a_status", 2);
    let states = || ["a", "b"].map(|w| standing(&world, w).expect("reported"));
    circuit(&world, "a", Open);
    circuit(&world, "b", Open);
    let before = states();
    for n in 1..=1_000 {
        world.publish_table(&table([&vmcp, &other(n)]));
    }
    for (before, after) in before.iter().zip(states()) {
        assert_eq!((before.health, before.breaker), (after.health, after.breaker));
        // a clock that may be corrected meanwhile says when
        let moved = before.breaker_changed_unix_ms.abs_diff(after.breaker_changed_unix_ms);
        assert!(moved < 1_000, "{before:?} {after:?}");
    }
    assert_eq!(sent_again(), 1.0, "what the budget is kept beside is the same");
    refusal(&mut client, "a_who");
    assert_eq!(world.client_of("other").call_text("p1000_a_who", json!({})), "a", "its breaker is its own");
}

#[test]
fn a_breaker_with_other_settings_is_a_new_one() {
    let a = mock("a");
    let vmcp = || Vmcp::named("demo").with("a", a.addr);
    let world = World::of([&vmcp().breaker(2, AGES)]);
    let mut client = world.client();
    fails(&a, true);
    trip(&mut client, "a_who", 2);
    fails(&a, false);
    refusal(&mut client, "a_who");
    world.publish_table(&table([&vmcp().breaker(3, AGES)]));
    assert_eq!(client.call_text("a_who", json!({})), "a");
}

/// The trial is then nobody's, and the next one to ask has it.
#[test]
fn an_edit_of_the_backend_during_a_probe_that_is_the_trial_does_not_lose_the_trial() {
    let a = mock("a");
    // the bound of a probe is beyond what this test waits for anything
    let vmcp = || {
        let probed = Vmcp::named("demo").with("a", a.addr).probed(10 * AGES, AGES, 3);
        probed.breaker(2, SHORT)
    };
    let world = World::of([&vmcp()]);
    let mut client = world.client();
    fails(&a, true);
    trip(&mut client, "a_who", 2);
    a.control(&Control { hang: Some(HangOn::All(true)), ..Control::default() });
    fails(&a, false);
    circuit(&world, "a", HalfOpen);
    refusal(&mut client, "a_who");
    world.publish_table(&table([&vmcp().backends(|a| a.limits.requests = 9)]));
    a.control(&Control { hang: Some(HangOn::All(false)), ..Control::default() });
    circuit(&world, "a", Closed);
    until("calls go through", || client.post(&call(1, "a_who", json!({}))).json()["error"].is_null());
}

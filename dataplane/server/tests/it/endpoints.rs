//! A backend with several endpoints, as the pods of a workload are: where sessions go, and what becomes of them when pods
//! come, drain and go.

mod edits;
mod losses;
mod pods;

use crate::support::gateway::Gateway;
use crate::support::mcp::Client;
use crate::support::tables::backend_id;
use crate::support::until;
use crate::support::world::World;
use pods::Pods;
use serde_json::json;
use tidegate_bench_mock::Options;
use tidegate_proto::wire::BackendHealth;

#[test]
fn sessions_are_spread_over_the_endpoints_and_stay_where_they_are() {
    let pods = Pods::start(3);
    let world = World::of([&pods.all()]);
    let mut clients: Vec<Client> = (0..30).map(|_| world.client()).collect();
    let homes: Vec<String> = clients.iter_mut().map(|c| c.call_text("a_who", json!({}))).collect();
    for pod in pods.names() {
        let there = homes.iter().filter(|h| *h == &pod).count();
        assert!((7..=13).contains(&there), "{pod} has {there} of 30: {homes:?}");
    }
    for (client, home) in clients.iter_mut().zip(&homes) {
        for _ in 0..3 {
            assert_eq!(client.call_text("a_who", json!({})), *home);
        }
    }
    let opened: u64 = (0..3).map(|n| pods.stats(n).sessions_opened).sum();
    assert_eq!(opened, 31, "one for each client, and the prober's");
}

#[test]
fn a_session_is_with_its_pod_at_every_gateway_and_after_a_restart() {
    let pods = Pods::start(3);
    let mut world = World::of([&pods.all()]);
    let other = Gateway::start(&world.plane.address(), &[]);
    until("the other node is ready", || other.admin("/readyz").0 == 200);
    until("it has the tools", || other.metric("tidegate_tools", "default/demo") > 0.0);
    let homes: Vec<(Client, String)> = (0..9)
        .map(|_| world.client())
        .map(|mut c| {
            let home = c.call_text("a_who", json!({}));
            (c, home)
        })
        .collect();
    let opened = |pods: &Pods| (0..3).map(|n| pods.stats(n).sessions_opened).sum::<u64>();
    let before = opened(&pods);
    // the list in another order, and a pod more: names of endpoints do not depend on it
    let grown = Pods::start(1);
    let mut reordered = pods.endpoints();
    reordered.reverse();
    reordered.splice(1..1, grown.endpoints());
    world.publish([&pods.with(&reordered)]);
    for (client, home) in &homes {
        let mut there = Client::without_session(other.addr, &client.path);
        there.session.clone_from(&client.session);
        assert_eq!(there.call_text("a_who", json!({})), *home);
    }
    world.gateway.kill();
    world.gateway.restart();
    until("it has the tools again", || world.gateway.metric("tidegate_tools", "default/demo") > 0.0);
    for (client, home) in &homes {
        assert_eq!(client.again().call_text("a_who", json!({})), *home);
    }
    assert!(opened(&pods) <= before + 1, "but for the prober of the gateway that started again");
}

#[test]
fn a_draining_endpoint_keeps_its_sessions_and_gets_no_new_ones() {
    let pods = Pods::start(2);
    let world = World::of([&pods.all()]);
    let mut there = pods.session_at(&world, 0);
    let mut list = pods.endpoints();
    list[0].draining = true;
    world.publish([&pods.with(&list)]);
    world.gateway.metric_where("tidegate_backend_endpoints_draining", "mcpserver/a", |n| n == 1.0);
    let opened = pods.stats(0).sessions_opened;
    for _ in 0..12 {
        assert_eq!(world.client().call_text("a_who", json!({})), "pod-1");
        assert_eq!(there.call_text("a_who", json!({})), "pod-0");
    }
    assert_eq!(pods.stats(0).sessions_opened, opened);
    assert_eq!(world.gateway.metric("tidegate_backend_sessions_moved_total", ""), 0.0);
    // it goes: nobody notices, though the process still answers
    let calls = pods.stats(0).calls_of("who");
    world.publish([&pods.with(&list[1..])]);
    for _ in 0..3 {
        assert_eq!(there.call_text("a_who", json!({})), "pod-1");
    }
    assert_eq!(pods.stats(0).calls_of("who"), calls);
    assert_eq!(world.gateway.metric("tidegate_backend_sessions_moved_total", ""), 1.0);
    until("connections to what has gone are closed", || pods.stats(0).connections_open == 0);
}

#[test]
fn the_last_endpoint_still_takes_sessions_while_it_drains() {
    let pods = Pods::start(1);
    let world = World::of([&pods.all()]);
    let mut list = pods.endpoints();
    list[0].draining = true;
    world.publish([&pods.with(&list)]);
    world.gateway.metric_where("tidegate_backend_endpoints_draining", "mcpserver/a", |n| n == 1.0);
    assert_eq!(world.client().call_text("a_who", json!({})), "pod-0");
}

#[test]
fn calls_of_servers_without_sessions_go_round() {
    let pods = Pods::of(2, |name| Options { stateless: true, ..Options::named(name) });
    let world = World::of([&pods.all()]);
    let mut client = world.client();
    let homes: Vec<String> = (0..8).map(|_| client.call_text("a_who", json!({}))).collect();
    for pod in pods.names() {
        assert_eq!(homes.iter().filter(|h| *h == &pod).count(), 4, "{homes:?}");
    }
    let mut list = pods.endpoints();
    list.remove(0);
    world.publish([&pods.with(&list)]);
    for _ in 0..4 {
        assert_eq!(client.call_text("a_who", json!({})), "pod-1");
    }
}

#[test]
fn a_backend_whose_endpoints_all_go_is_unavailable_at_once_and_back_at_once_with_its_sessions() {
    let pods = Pods::start(2);
    let world = World::of([&pods.all().breaker(2, crate::support::DEADLINE)]);
    let (mut client, id) = (pods.session_at(&world, 1), backend_id("a"));
    world.publish_table(&pods.table_of(pods.with(&[]).breaker(2, crate::support::DEADLINE)));
    let unavailable = "is unavailable";
    world.plane.backend(id.as_str(), unavailable, |b| {
        b.health() == BackendHealth::Unhealthy && b.message == "No endpoint is ready"
    });
    assert_eq!(client.tools(), [""; 0]);
    for _ in 0..3 {
        let result = client.call("a_who", json!({}));
        assert_eq!(result["isError"], true);
        let text = result["content"][0]["text"].as_str().expect("a text");
        assert!(text.starts_with("backend unavailable") && text.ends_with("no endpoint is ready"), "{text}");
    }
    let mut late = world.client();
    assert_eq!(late.call("a_who", json!({}))["isError"], true);
    // nothing of it counted as a failure of the backend: no breaker is open, and nobody waits for an interval
    world.publish([&pods.all().breaker(2, crate::support::DEADLINE)]);
    assert_eq!(client.call_text("a_who", json!({})), "pod-1");
    assert!(late.call_text("a_who", json!({})).starts_with("pod-"));
    assert_eq!(world.gateway.metric("tidegate_backend_sessions_moved_total", ""), 0.0);
    assert_eq!(world.gateway.metric("tidegate_backend_sessions_lost_total", ""), 0.0);
}

#[test]
fn a_backend_that_has_no_endpoint_yet_is_served_as_soon_as_it_has_one() {
    let pods = Pods::start(1);
    let world = World::unsettled([&pods.with(&[])], &[]);
    let seen = world.plane.settled();
    assert!(seen.refusals.is_empty(), "{:?}", seen.refusals);
    world.plane.backend(backend_id("a").as_str(), "waits", |b| b.message == "No endpoint is ready");
    let mut client = world.client();
    assert_eq!(client.tools(), [""; 0]);
    world.publish([&pods.all()]);
    assert_eq!(client.call_text("a_who", json!({})), "pod-0");
    let health =
        |b: &tidegate_proto::wire::BackendState| b.health() == BackendHealth::Healthy && b.message.is_empty();
    world.plane.backend(backend_id("a").as_str(), "is healthy, with nothing to recover from", health);
}

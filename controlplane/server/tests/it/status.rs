//! What statuses say of what nodes report, in answers and in files.

use std::fs;

use tidegate_proto::wire::{BackendHealth, BreakerState, MemberState, StateReply, VirtualServerView};

use crate::support::{ECHO, FakeNode, Held, Plane, PlaneBuilder, echo_and, group};

const DEMO: &str = "default/VirtualMCPServer/demo.yaml";

fn state(health: BackendHealth) -> MemberState {
    MemberState { health: health.into(), probed: true, ..MemberState::default() }
}

/// Phase, `backendCount`, and each backend with its status.
fn summary(view: &VirtualServerView) -> String {
    let backends: Vec<String> =
        view.discovered.iter().map(|found| format!("{} {}", found.name, found.status)).collect();
    format!("{} {}: {}", view.phase, view.backend_count, backends.join(", "))
}

fn is(state: &StateReply, expected: &str) -> bool {
    state.virtual_servers.iter().any(|view| summary(view) == expected)
}

#[tokio::test]
async fn b11_a_backend_that_is_down_degrades_the_virtual_server() {
    let plane = Plane::with(&echo_and("time", 7002));
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo", "time"]).await;
    node.report_each(|workload| match workload {
        "echo" => state(BackendHealth::Healthy),
        _ => state(BackendHealth::Unhealthy),
    })
    .await;
    let expected = "Degraded 1: echo ready, time unavailable";
    let reply = plane.state_where(expected, |reply| is(reply, expected)).await;
    let condition =
        |name: &str| reply.virtual_servers[0].conditions.iter().find(|c| c.r#type == name).cloned();
    let ready = condition("Ready").expect("it is always said");
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "SomeBackendsUnhealthy"));
    assert_eq!(ready.message, "1/2 backends routable");
    assert_eq!(condition("Degraded").expect("it is degraded").reason, "BackendsDegraded");
    assert_eq!(condition("BackendsDiscovered").expect("they are known").status, "True");

    node.report(BackendHealth::Healthy).await;
    let expected = "Ready 2: echo ready, time ready";
    let reply = plane.state_where(expected, |reply| is(reply, expected)).await;
    let conditions = &reply.virtual_servers[0].conditions;
    assert!(conditions.iter().all(|condition| condition.r#type != "Degraded"), "{conditions:?}");
}

#[tokio::test]
async fn nodes_that_differ_make_a_backend_degraded_until_they_agree() {
    let plane = Plane::with(ECHO);
    let mut first = FakeNode::join(&plane).await;
    let mut second = FakeNode::join_as(&plane, "second", Held::default()).await;
    first.until_serves("demo", &["echo"]).await;
    second.until_serves("demo", &["echo"]).await;
    first.report(BackendHealth::Healthy).await;
    plane.state_where("one node is enough", |reply| is(reply, "Ready 1: echo ready")).await;
    let open = MemberState {
        breaker: BreakerState::Open.into(),
        breaker_changed_unix_ms: 5_000,
        consecutive_failures: 4,
        message: "Circuit breaker OPEN - Connection failed".into(),
        ..state(BackendHealth::Healthy)
    };
    second.report_each(|_| open.clone()).await;
    let reply = plane.state_where("they differ", |reply| is(reply, "Degraded 0: echo degraded")).await;
    let found = &reply.virtual_servers[0].discovered[0];
    assert_eq!(found.message, "unavailable at 1 of 2 nodes: Circuit breaker OPEN - Connection failed");
    assert_eq!((found.breaker.as_str(), found.breaker_changed_unix_ms), ("open", 5_000));
    assert_eq!(found.consecutive_failures, 4);
    drop(second);
    plane.state_where("who has left has no say", |reply| is(reply, "Ready 1: echo ready")).await;
}

#[tokio::test]
async fn statuses_are_files_that_follow_the_nodes_and_go_with_their_objects() {
    let plane = PlaneBuilder::new()
        .manifest("a.yaml", &echo_and("time", 7002))
        .manifest("b.yaml", &group("spare"))
        .with_statuses()
        .start();
    let text = plane.status_where(DEMO, |text| text.contains("phase: Pending")).await;
    assert!(text.contains("url: http://vmcp-demo.default.svc.cluster.local:4483\n"), "{text}");
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo", "time"]).await;
    node.report_each(|_| MemberState {
        checked_unix_ms: 1_780_000_000_500,
        consecutive_failures: 2,
        message: "Connection failed (failures: 2)".into(),
        ..state(BackendHealth::Unhealthy)
    })
    .await;
    let text = plane.status_where(DEMO, |text| text.contains("phase: Failed")).await;
    let echo = "  backendCount: 0
  discoveredBackends:
  - name: echo
    url: http://127.0.0.1:7001/mcp
    status: unavailable
    authType: unauthenticated
    lastHealthCheck: \"2026-05-28T20:26:40Z\"
    message: \"Connection failed (failures: 2)\"
    consecutiveFailures: 2
";
    assert!(text.contains(echo), "{text}");
    let server =
        plane.status_where("default/MCPServer/echo.yaml", |text| text.contains("phase: Failed")).await;
    assert!(server.contains("type: Ready"), "{server}");
    plane.status_where("default/MCPGroup/tools.yaml", |text| text.contains("serverCount: 2")).await;

    plane.edit("a.yaml", ECHO);
    plane.status_where("default/MCPServer/time.yaml", str::is_empty).await;
    fs::remove_file(plane.manifests().join("b.yaml")).unwrap();
    plane.status_where("default/MCPGroup/spare.yaml", str::is_empty).await;
    plane.status_where(DEMO, |text| !text.contains("name: time")).await;
}

#[tokio::test]
async fn e12_a_check_is_seen_in_the_file_though_nothing_else_changed() {
    let often = "config: {operational: {failureHandling: {statusReportingInterval: 50ms}}}";
    let plane = PlaneBuilder::new().manifest("a.yaml", &format!("{ECHO}  {often}\n")).with_statuses().start();
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    for check in ["2026-05-28T20:26:40Z", "2026-05-28T20:26:45Z", "2026-05-28T20:26:50Z"] {
        let seconds: u64 = check[17..19].parse().unwrap();
        let checked_unix_ms = 1_780_000_000_000 + (seconds - 40) * 1_000;
        node.report_each(|_| MemberState { checked_unix_ms, ..state(BackendHealth::Healthy) }).await;
        let text = plane.status_where(DEMO, |text| text.contains(check)).await;
        assert!(text.contains("phase: Ready"), "{text}");
    }
}

#[tokio::test]
async fn what_went_while_nobody_ran_loses_its_status_at_the_next_start() {
    let mut plane = PlaneBuilder::new()
        .manifest("a.yaml", ECHO)
        .manifest("b.yaml", &group("spare"))
        .with_statuses()
        .start();
    plane.status_where("default/MCPGroup/spare.yaml", |text| text.contains("phase: Ready")).await;
    plane.status_where(DEMO, |text| !text.is_empty()).await;
    plane.kill();
    fs::remove_file(plane.manifests().join("b.yaml")).unwrap();
    fs::write(plane.statuses().join("default/MCPGroup/mine.yaml"), "kind: MCPGroup\n").unwrap();
    plane.restart();
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    node.report(BackendHealth::Healthy).await;
    plane.status_where("default/MCPGroup/spare.yaml", str::is_empty).await;
    assert!(plane.statuses().join("default/MCPGroup/mine.yaml").exists(), "what is not ours is left alone");
    assert!(plane.statuses().join(DEMO).exists());
}

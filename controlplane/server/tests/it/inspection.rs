//! What people are shown.

use tidegate_proto::wire::{BackendHealth, StateReply};

use crate::support::{ECHO, FakeNode, Plane, broken, echo_and, group, virtual_server};

fn phase(state: &StateReply, name: &str) -> String {
    let view = state.virtual_servers.iter().find(|v| v.name == name);
    view.map(|v| format!("{}: {}", v.phase, v.message)).unwrap_or_default()
}

#[tokio::test]
async fn a_broken_edit_keeps_the_entry_and_shows_a_diagnostic_until_repaired() {
    let plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    let before = node.held();
    plane.edit("a.yaml", broken());
    let state = plane.state_where("the mistake is reported", |s| !s.diagnostics.is_empty()).await;
    let error = state.diagnostics.iter().find(|d| d.severity == "error").expect("an error");
    assert!(error.file.ends_with("a.yaml") && error.line > 0, "{error:?}");
    assert!(!error.message.is_empty() && !error.remedy.is_empty(), "{error:?}");
    assert_eq!(node.held().version, before.version);
    assert_eq!(node.held().changes, before.changes);
    plane.edit("a.yaml", &echo_and("time", 7002));
    node.until_serves("demo", &["echo", "time"]).await;
    plane
        .state_where("the report is taken back", |s| s.diagnostics.iter().all(|d| d.severity != "error"))
        .await;
    let log = plane.log();
    let gone = log.matches("manifest problem gone").count();
    assert!(gone > 0, "{log}");
    assert_eq!(
        log.matches("manifest problem").count() + log.matches("manifest note").count(),
        2 * gone,
        "{log}"
    );
}

#[tokio::test]
async fn the_phase_follows_from_nodes_and_backends() {
    let plane = Plane::with(&echo_and("time", 7002));
    plane.state_where("no node yet", |s| phase(s, "demo") == "Pending: Virtual MCP server is starting").await;
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo", "time"]).await;
    let waiting = "Pending: Waiting for initial health checks (2 backends configured)";
    plane.state_where(waiting, |s| phase(s, "demo") == waiting).await;
    node.report(BackendHealth::Healthy).await;
    plane.state_where("all healthy", |s| phase(s, "demo") == "Ready: All 2 backends healthy").await;
    node.report(BackendHealth::Unhealthy).await;
    let state =
        plane.state_where("none routable", |s| phase(s, "demo").starts_with("Failed: No routable")).await;
    assert!(state.backends.iter().all(|b| b.published && b.group == "tools" && b.kind == "MCPServer"));
    assert!(state.nodes.iter().all(|n| n.connected && n.current && n.name == "fake"));
    drop(node);
    plane.state_where("the node has left", |s| phase(s, "demo").starts_with("Pending")).await;
}

#[tokio::test]
async fn a_virtual_server_of_an_unknown_group_is_shown_as_failed() {
    let plane = Plane::with(&virtual_server("lost", "nowhere"));
    let state = plane.state_where("it is shown", |s| !s.virtual_servers.is_empty()).await;
    assert_eq!(phase(&state, "lost"), "Failed: Referenced MCPGroup nowhere not found");
    plane.edit("b.yaml", &group("nowhere"));
    plane.state_where("it is no longer failed", |s| phase(s, "lost").starts_with("Pending")).await;
}

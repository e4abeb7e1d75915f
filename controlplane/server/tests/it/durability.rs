//! Killed and started again, the control plane changes nothing at a node that holds everything.

use std::fs;

use crate::support::{ECHO, FakeNode, Plane, PlaneBuilder, broken, echo_and, server};

/// A node that held everything before comes back after the restart: it is told that it is current, and no more.
async fn check_undisturbed(plane: &mut Plane, mut node: FakeNode) -> FakeNode {
    let before = node.held();
    plane.kill();
    drop(node);
    plane.restart();
    node = FakeNode::join_with(plane, before.clone()).await;
    let after = node.until("it is told that it is current", |held| held.updates > 0).await;
    assert_eq!(after.changes, 0, "no entry was pushed");
    assert_eq!(after.version, before.version);
    node
}

#[tokio::test]
async fn a_restart_after_kill_pushes_no_change() {
    let mut plane = Plane::with(&echo_and("time", 7002));
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo", "time"]).await;
    check_undisturbed(&mut plane, node).await;
}

#[tokio::test]
async fn a_restart_while_a_manifest_is_broken_pushes_no_change() {
    let mut plane = PlaneBuilder::new()
        .manifest("a.yaml", ECHO)
        .manifest("b.yaml", &server("time", "tools", 7002))
        .start();
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo", "time"]).await;
    plane.edit("b.yaml", broken());
    plane
        .state_where("the mistake is reported", |s| s.diagnostics.iter().any(|d| d.file.ends_with("b.yaml")))
        .await;
    let mut node = check_undisturbed(&mut plane, node).await;
    plane.edit("b.yaml", &server("time", "tools", 7003));
    node.until("the repaired manifest is served", |held| held.changes == 1).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_compiled_is_held_over_a_restart() {
    let mut plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    let (backends, server) = ECHO.rsplit_once("---").expect("several documents");
    plane.edit("a.yaml", &format!("{backends}---{}", server.replace("{name: tools}", "{name: nowhere}")));
    plane
        .state_where("the mistake is reported", |s| {
            s.diagnostics.iter().any(|d| d.message.contains("nowhere"))
        })
        .await;
    assert_eq!(node.held().changes, 1);
    check_undisturbed(&mut plane, node).await;
}

#[tokio::test]
async fn a_manifest_that_breaks_while_nobody_runs_keeps_what_it_said() {
    for text in
        [broken(), "", "\u{0}\u{1}\u{2}", "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPServer\n"]
    {
        let mut plane = PlaneBuilder::new()
            .manifest("a.yaml", ECHO)
            .manifest("b.yaml", &server("time", "tools", 7002))
            .start();
        let mut node = FakeNode::join(&plane).await;
        let before = node.until_serves("demo", &["echo", "time"]).await;
        plane.kill();
        plane.edit("b.yaml", text);
        plane.restart();
        let mut node = FakeNode::join_with(&plane, before).await;
        let after = node.until("it is told that it is current", |held| held.updates > 0).await;
        assert_eq!(after.changes, 0, "after {text:?}");
    }
}

#[tokio::test]
async fn what_was_deleted_while_nobody_ran_is_gone() {
    let mut plane = PlaneBuilder::new()
        .manifest("a.yaml", ECHO)
        .manifest("b.yaml", &server("time", "tools", 7002))
        .start();
    let mut node = FakeNode::join(&plane).await;
    let before = node.until_serves("demo", &["echo", "time"]).await;
    plane.kill();
    fs::remove_file(plane.manifests().join("b.yaml")).unwrap();
    plane.restart();
    let mut node = FakeNode::join_with(&plane, before).await;
    node.until_serves("demo", &["echo"]).await;
}

#[tokio::test]
async fn a_restart_without_the_directory_publishes_nothing() {
    let mut plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    let before = node.until_serves("demo", &["echo"]).await;
    plane.kill();
    let away = plane.manifests().with_file_name("away");
    fs::rename(plane.manifests(), &away).unwrap();
    plane.restart();
    let mut node = FakeNode::join_with(&plane, before).await;
    let state = plane
        .state_where("the node is there", |s| {
            s.nodes.iter().any(|n| n.connected) && !s.diagnostics.is_empty()
        })
        .await;
    assert_eq!(state.version, "");
    assert_eq!(node.held().changes, 0);
    fs::rename(&away, plane.manifests()).unwrap();
    let after = node.until("it is told that it is current", |held| held.updates > 0).await;
    assert_eq!(after.changes, 0);
}

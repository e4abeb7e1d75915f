//! What happens to the directory is what nodes serve.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::support::{ECHO, FakeNode, Plane, PlaneBuilder, echo_and, server};

#[tokio::test]
async fn the_first_listing_is_published_whole() {
    let plane = PlaneBuilder::new()
        .manifest("a.yaml", ECHO)
        .manifest("sub/b.yaml", &server("time", "tools", 7002))
        .start();
    let mut node = FakeNode::join(&plane).await;
    let held = node.until_serves("demo", &["echo", "time"]).await;
    assert_eq!(held.changes, 1, "one update brings everything");
}

#[tokio::test]
async fn an_edit_by_rename_is_pushed() {
    let plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    plane.edit("a.yaml", &echo_and("time", 7002));
    node.until_serves("demo", &["echo", "time"]).await;
    plane.edit("a.yaml", ECHO);
    node.until_serves("demo", &["echo"]).await;
}

#[tokio::test]
async fn an_edit_in_place_is_pushed() {
    let plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    fs::write(plane.manifests().join("a.yaml"), echo_and("time", 7002)).unwrap();
    node.until_serves("demo", &["echo", "time"]).await;
}

#[tokio::test]
async fn files_come_and_go_in_new_directories() {
    let plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    plane.edit("team/x/time.yaml", &server("time", "tools", 7002));
    node.until_serves("demo", &["echo", "time"]).await;
    plane.edit("team/x/search.yaml", &server("search", "tools", 7003));
    node.until_serves("demo", &["echo", "search", "time"]).await;
    fs::remove_file(plane.manifests().join("team/x/time.yaml")).unwrap();
    node.until_serves("demo", &["echo", "search"]).await;
    fs::remove_dir_all(plane.manifests().join("team")).unwrap();
    node.until_serves("demo", &["echo"]).await;
    plane.edit("team/x/time.yaml", &server("time", "tools", 7002));
    node.until_serves("demo", &["echo", "time"]).await;
}

#[tokio::test]
async fn fifty_edits_a_second_are_published_on_the_way_and_end_in_the_last_state() {
    let plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    let before = node.held().changes;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for edit in 0..150_u16 {
        pace.tick().await;
        plane.edit("b.yaml", &server(&format!("s{edit}"), "tools", 7100 + edit));
    }
    let held = node.until_serves("demo", &["echo", "s149"]).await;
    assert!(held.changes - before > 5, "a steady stream of edits must not hold publishing back");
    assert_eq!(held.table.backends().count(), 2);
}

#[tokio::test]
async fn a_directory_that_goes_and_comes_back_changes_nothing_while_it_is_gone() {
    let plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    let before = node.held();
    fs::remove_dir_all(plane.manifests()).unwrap();
    plane
        .state_where("the loss is reported", |s| s.diagnostics.iter().any(|d| d.code == "source-unlistable"))
        .await;
    assert_eq!(node.held().changes, before.changes);
    plane.edit("b.yaml", &echo_and("time", 7002));
    node.until_serves("demo", &["echo", "time"]).await;
    plane
        .state_where("the loss is over", |s| s.diagnostics.iter().all(|d| d.code != "source-unlistable"))
        .await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_yet_is_waited_for() {
    let builder = PlaneBuilder::new();
    fs::remove_dir(builder.manifests()).unwrap();
    let plane = builder.start();
    plane.state_where("it is missed", |s| s.diagnostics.iter().any(|d| d.code == "source-unlistable")).await;
    plane.edit("a.yaml", ECHO);
    FakeNode::join(&plane).await.until_serves("demo", &["echo"]).await;
}

#[tokio::test]
async fn a_mounted_config_map_is_switched_in_one_step() {
    let builder = PlaneBuilder::new();
    let root = builder.manifests();
    let version = |name: &str, first: &str, second: &str| {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("a.yaml"), first).unwrap();
        fs::write(root.join(name).join("b.yaml"), second).unwrap();
    };
    version("..2026_1", ECHO, &server("time", "tools", 7002));
    symlink("..2026_1", root.join("..data")).unwrap();
    for file in ["a.yaml", "b.yaml"] {
        symlink(format!("..data/{file}"), root.join(file)).unwrap();
    }
    let plane = builder.start();
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo", "time"]).await;

    version("..2026_2", &echo_and("more", 7003), &server("search", "tools", 7004));
    symlink("..2026_2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    fs::remove_dir_all(root.join("..2026_1")).unwrap();
    node.until_serves("demo", &["echo", "more", "search"]).await;
}

#[tokio::test]
async fn a_directory_linked_from_elsewhere_is_watched() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a.yaml"), ECHO).unwrap();
    let builder = PlaneBuilder::new();
    symlink(outside.path(), builder.manifests().join("linked")).unwrap();
    let plane = builder.start();
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    fs::write(outside.path().join("a.yaml"), echo_and("time", 7002)).unwrap();
    node.until_serves("demo", &["echo", "time"]).await;
}

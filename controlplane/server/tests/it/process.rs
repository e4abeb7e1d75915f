//! The binary as a process: arguments, signals, exit codes.

use std::process::{Command, Output};

use crate::support::{ECHO, FakeNode, Plane, PlaneBuilder};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate-controlplane")).args(args).output().expect("the binary runs")
}

#[test]
fn bad_arguments_end_with_two_and_say_why() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let not_a_directory = format!("dir:{}", file.path().display());
    let cases: [(&[&str], &str); 7] = [
        (&["--push", "unix:/tmp/x"], "--source"),
        (&["--source", "ftp:x", "--push", "unix:/tmp/x"], "must be dir:PATH"),
        (&["--source", "dir:.", "--push", "nowhere"], "--push"),
        (&["--source", "dir:.", "--push", "unix:/tmp/x", "--debounce", "soon"], "not a duration"),
        (&["--source", "dir:.", "--push", "unix:/tmp/x", "--log", "tidegate=loud"], "--log"),
        (
            &["--source", "dir:.", "--push", "unix:/tmp/x", "--status-dir", "./a/../status"],
            "lies in the directory of manifests",
        ),
        (&["--source", &not_a_directory, "--push", "unix:/tmp/x"], "not a directory"),
    ];
    for (args, expected) in cases {
        let output = run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
}

#[test]
fn help_teaches_by_example() {
    let output = run(&["--help"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    assert!(
        said.contains("tidegate-controlplane --source dir:./mcp --push unix:/run/tidegate/push.sock"),
        "{said}"
    );
}

#[tokio::test]
async fn sigterm_drains_and_ends_with_zero() {
    let mut plane = PlaneBuilder::new().manifest("a.yaml", ECHO).arg("--log-format=json").start();
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    let status = plane.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", plane.log());
    assert!(plane.log().lines().all(|line| line.starts_with('{')), "{}", plane.log());
}

#[tokio::test]
async fn a_second_control_plane_on_the_same_state_ends_with_one_and_disturbs_nothing() {
    let plane = Plane::with(ECHO);
    let mut node = FakeNode::join(&plane).await;
    node.until_serves("demo", &["echo"]).await;
    let source = format!("dir:{}", plane.manifests().display());
    let state = plane.state();
    let state = state.to_str().expect("a temporary directory");
    let output = run(&["--source", &source, "--push", "127.0.0.1:0", "--state-dir", state]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("belongs to a running control plane"), "{said}");
}

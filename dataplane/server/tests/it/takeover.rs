//! A new process on the ports of the old one.

use crate::support::mcp::Client;
use crate::support::ports;
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Calls until told to stop, and opens another connection only when the last one said that it ends. A failure panics.
fn call_on(mut client: Client, stop: &AtomicBool, calls: &AtomicU64) {
    while !stop.load(Relaxed) {
        let answer = client.post(&crate::support::mcp::call(1, "a_who", json!({})));
        assert_eq!(answer.json()["result"]["content"][0]["text"], "a", "{}", answer.text());
        calls.fetch_add(1, Relaxed);
        if answer.head.field("connection") == Some("close") {
            client = client.again();
        }
    }
}

/// Stops the callers also when the test fails.
struct Stopping<'s>(&'s AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn no_request_fails_while_one_process_takes_over_from_another_three_times() {
    let a = mock("a");
    let own = ports::free();
    let mut world = World::of([&Vmcp::named("demo").with("a", a.addr).listen(own)]);
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let clients: Vec<_> =
        (0..8).map(|_| world.client()).chain((0..8).map(|_| Client::open(own, "/mcp"))).collect();
    std::thread::scope(|scope| {
        let stopping = Stopping(&stop);
        for client in clients {
            scope.spawn(|| call_on(client, &stop, &calls));
        }
        for _ in 0..3 {
            let successor = world.gateway.successor();
            let mut old = std::mem::replace(&mut world.gateway, successor);
            let before = calls.load(Relaxed);
            until("both serve", || calls.load(Relaxed) > before + 100);
            old.terminate();
            assert_eq!(old.ended().code(), Some(0));
            let log = old.log();
            assert!(!log.contains("cut"), "{log}");
            let before = calls.load(Relaxed);
            until("the new one serves", || calls.load(Relaxed) > before + 200);
        }
        drop(stopping);
    });
    assert_eq!(world.gateway.metric("tidegate_faults_total", ""), 0.0);
    world.publish([&Vmcp::named("demo").with("a", a.addr).listen(own).prefix("new_")]);
    assert_eq!(world.client().call_text("new_who", json!({})), "a", "the new one follows the control plane");
    assert_eq!(Client::open(own, "/mcp").call_text("new_who", json!({})), "a");
}

#[test]
fn one_that_takes_over_takes_no_connection_before_it_can_serve_it() {
    let a = mock("a");
    let world = World::over(&a);
    // one that has nothing to serve, and will get nothing
    let empty = tempfile::tempdir().expect("a temporary directory");
    let said = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut rival = Command::new(env!("CARGO_BIN_EXE_tidegate-dataplane"))
        .args(["--takeover", "--control-plane", "unix:/nowhere/push.sock"])
        .args(["--listen", &world.gateway.addr.to_string(), "--admin", &ports::free().to_string()])
        .arg("--state-dir")
        .arg(empty.path())
        .stderr(said.reopen().expect("our file"))
        .spawn()
        .expect("the binary starts");
    let log = || std::fs::read_to_string(said.path()).unwrap_or_default();
    until("it has started", || log().contains("control plane"));
    for _ in 0..100 {
        assert_eq!(world.client().call_text("a_who", json!({})), "a");
    }
    assert!(rival.try_wait().expect("our child").is_none(), "{}", log());
    rival.kill().expect("a running process");
    rival.wait().expect("it ends");
}

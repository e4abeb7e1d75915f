//! Ends of processes: the control plane's, the gateway's, in order and out of it.

use crate::sessions::seen;
use crate::support::mcp::{Client, call, initialize};
use crate::support::tables::{Vmcp, table};
use crate::support::world::{World, mock};
use crate::support::{eventually, ports, until};
use serde_json::json;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

#[test]
fn without_its_control_plane_the_gateway_serves_on_and_says_that_it_may_be_stale() {
    let a = mock("a");
    let mut world = World::over(&a);
    let mut client = world.client();
    assert_eq!(world.gateway.metric("tidegate_table_stale", ""), 0.0);
    let swaps = world.gateway.metric("tidegate_table_swaps_total", "");
    let stop = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                assert_eq!(client.call_text("a_who", json!({})), "a");
                calls.fetch_add(1, Relaxed);
            }
        });
        world.plane.kill();
        world.gateway.metric_where("tidegate_table_stale", "", |stale| stale == 1.0);
        assert_eq!(world.gateway.admin("/readyz").0, 200, "stale is not unready");
        let before = calls.load(Relaxed);
        until("calls go on", || calls.load(Relaxed) > before + 50);
        let hellos = world.plane.seen().hellos;
        world.plane.restart();
        until("it is back", || world.plane.seen().hellos > hellos);
        world.gateway.metric_where("tidegate_table_stale", "", |stale| stale == 0.0);
        stop.store(true, Relaxed);
    });
    assert_eq!(world.gateway.metric("tidegate_table_swaps_total", ""), swaps, "nothing was swapped");
    assert_eq!(world.gateway.metric("tidegate_faults_total", ""), 0.0);
    world.publish([&Vmcp::named("demo").with("a", a.addr).prefix("new_")]);
    assert_eq!(client.call_text("new_who", json!({})), "a", "it follows again");
}

#[test]
fn a_killed_gateway_boots_from_last_known_good_and_sessions_go_on() {
    let (a, b) = (mock("a"), mock("b"));
    let mut world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    let backend_session = a.stats().last_by_method["tools/call"].header("mcp-session-id").map(str::to_owned);
    world.plane.kill();
    world.gateway.kill();
    world.gateway.restart();
    let mut again = client.again();
    assert_eq!(world.gateway.metric("tidegate_table_stale", ""), 1.0);
    until("the list is read again", || again.tools().len() == 24);
    assert_eq!(again.call_text("a_who", json!({})), "a");
    let stats = a.stats();
    assert_eq!(
        stats.last_by_method["tools/call"].header("mcp-session-id"),
        backend_session.as_deref(),
        "the token carries the backend's session"
    );
    assert_eq!(again.call_text("b_who", json!({})), "b");
    assert_eq!(Client::open(world.gateway.addr, "/mcp").call_text("a_who", json!({})), "a");
    world.plane.restart();
    world.gateway.metric_where("tidegate_table_stale", "", |stale| stale == 0.0);
    assert_eq!(again.call_text("a_who", json!({})), "a");
    assert_eq!(again.delete().status, 200);
    seen(&a, "the end of the session", |s| s.sessions_deleted >= 1);
}

#[test]
fn a_first_call_right_after_a_boot_waits_for_the_list() {
    let a = mock("a");
    let mut world = World::over(&a);
    let client = world.client();
    for _ in 0..5 {
        world.gateway.kill();
        world.gateway.restart();
        assert_eq!(client.again().call_text("a_who", json!({})), "a");
        world.gateway.kill();
        world.gateway.restart();
        assert_eq!(client.again().tools().len(), 12);
    }
}

#[test]
fn a_damaged_last_known_good_is_reported_moved_aside_and_fetched_again() {
    let a = mock("a");
    let mut world = World::over(&a);
    let client = world.client();
    let file = world.gateway.state().join("last-known-good.table");
    let whole = std::fs::read(&file).expect("last-known-good is on disk");
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    for (what, bytes) in [
        ("a wrong checksum", flipped),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("the mark of its kind", b"nonsense\n".to_vec()),
    ] {
        world.gateway.kill();
        world.plane.kill();
        std::fs::write(&file, &bytes).expect("writable");
        world.gateway.restart();
        assert_eq!(world.gateway.admin("/readyz").0, 503, "nothing is served");
        let log = world.gateway.log();
        assert!(log.contains("last-known-good.table") && log.contains(what), "{what}: {log}");
        assert_eq!(std::fs::read(file.with_extension("table.damaged")).expect("moved aside"), bytes);
        world.plane.restart();
        until("it is fetched again", || world.gateway.admin("/readyz").0 == 200);
        until("its session works", || client.again().post(&call(1, "a_who", json!({}))).status == 200);
        until("it is written again", || std::fs::read(&file).is_ok_and(|bytes| bytes == whole));
    }
}

#[test]
fn sigterm_lets_a_running_call_finish_and_takes_no_more() {
    let a = mock("a");
    let mut world = World::over(&a);
    let mut busy = world.client();
    let mut idle = world.client();
    let stream = idle.listen();
    busy.send(&call(1, "a_slow", json!({"ms": 1_000})));
    seen(&a, "the call", |s| s.calls_running == 1);
    world.gateway.terminate();
    until("no connection is taken", || TcpStream::connect(world.gateway.addr).is_err());
    stream.into_rest();
    idle.http.closed();
    let answer = busy.http.response();
    assert_eq!(answer.json()["result"]["content"][0]["text"], "slept 1000 ms");
    busy.http.closed();
    let status = world.gateway.ended();
    assert_eq!(status.code(), Some(0), "{status}");
    world.gateway.restart();
    assert_eq!(busy.again().call_text("a_who", json!({})), "a", "its session goes on");
}

#[test]
fn a_drain_ends_at_its_bound() {
    let a = mock("a");
    let mut world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--drain", "1"]);
    let mut busy = world.client();
    busy.send(&call(1, "a_slow", json!({"ms": 600_000})));
    seen(&a, "the call", |s| s.calls_running == 1);
    world.gateway.terminate();
    let status = world.gateway.ended();
    assert_eq!(status.code(), Some(0), "{status}");
    seen(&a, "the end of the call", |s| s.calls_running == 0);
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_a_clear_message() {
    let a = mock("a");
    let world = World::over(&a);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = world.gateway.rival(dir.path());
    let status = command.status().expect("the binary starts");
    assert_eq!(status.code(), Some(2));
    let said = std::fs::read_to_string(dir.path().join("log")).expect("a log");
    let addr = world.gateway.addr.to_string();
    assert!(said.contains(&addr) && said.contains("--listen") && said.contains("in use"), "{said}");
    assert_eq!(world.client().call_text("a_who", json!({})), "a", "the one that runs is not disturbed");
}

#[test]
fn an_admin_port_that_is_taken_is_told_too() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = taken.local_addr().expect("bound").to_string();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate-dataplane"))
        .args(["--listen", &ports::free().to_string(), "--admin", &admin])
        .args(["--control-plane", "unix:/nowhere/push.sock", "--state-dir"])
        .arg(dir.path())
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains(&admin) && said.contains("--admin"), "{said}");
}

#[test]
fn it_ends_with_its_parent_when_it_is_told_to() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let addr = ports::free();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate-dataplane"))
        .args(["--listen", &addr.to_string(), "--admin", &ports::free().to_string(), "--exit-on-stdin-close"])
        .args(["--control-plane", "unix:/nowhere/push.sock", "--state-dir"])
        .arg(dir.path())
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary starts");
    until("it listens", || TcpStream::connect(addr).is_ok());
    drop(child.stdin.take());
    let status = eventually("it ends", || child.try_wait().expect("our child"));
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn the_newest_table_is_what_a_boot_serves() {
    let a = mock("a");
    let mut world = World::over(&a);
    for i in 0..5 {
        world.publish_table(&table([&Vmcp::named("demo").with("a", a.addr).prefix(&format!("v{i}_"))]));
    }
    let digest_written = world.gateway.state().join("last-known-good.table");
    assert!(digest_written.exists());
    world.plane.kill();
    world.gateway.kill();
    world.gateway.restart();
    let mut client = world.client();
    until("the list is read", || client.tools().first().is_some_and(|t| t.starts_with("v4_")));
}

#[test]
fn a_table_is_on_disk_before_the_node_says_that_it_serves_it() {
    let a = mock("a");
    let mut world = World::over(&a);
    for i in 0..5 {
        world.publish_table(&table([&Vmcp::named(&format!("s{i}")).with("a", a.addr)]));
        world.gateway.kill();
        world.plane.kill();
        world.gateway.restart();
        let answer = Client::without_session(world.gateway.addr, &format!("/default/s{i}/mcp"))
            .post(&initialize("2025-11-25"));
        assert_eq!(answer.status, 200, "round {i}");
        world.plane.restart();
        world.plane.settled();
    }
}

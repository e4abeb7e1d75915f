//! What is counted, and what is never written down.

use crate::sessions::seen;
use crate::support::mcp::{call, list, ping};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn every_request_is_counted_once_with_its_end() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").bounded("a", a.addr, Duration::from_millis(400))]);
    let mut client = world.client();
    for _ in 0..3 {
        client.call("a_who", json!({}));
    }
    client.call("a_fail", json!({}));
    client.call("a_slow", json!({"ms": 600_000}));
    client.post(&call(1, "unknown", json!({})));
    client.post(&list(1));
    client.post(&ping(1));
    client.post_text("[]");
    let mut leaver = client.again();
    leaver.send(&call(1, "a_slow", json!({"ms": 600_000})));
    seen(&a, "the call", |s| s.calls_running == 1);
    drop(leaver);
    let mut cut = client.again();
    cut.send(&call(1, "a_close", json!({})));
    cut.http.head();
    cut.http.into_rest();
    drop(client.listen());
    world.gateway.metric_where("tidegate_requests_total", r#"kind="stream",end="client_gone""#, |n| n == 1.0);
    assert_eq!(client.delete().status, 200);
    let expected = [
        ("tools_call", "ok", 4.0),
        ("tools_call", "fault", 2.0),
        ("tools_call", "client_gone", 1.0),
        ("tools_call", "cut", 1.0),
        ("tools_list", "ok", 1.0),
        ("initialize", "ok", 1.0),
        ("notification", "ok", 1.0),
        ("ping", "ok", 1.0),
        ("other", "fault", 1.0),
        ("stream", "client_gone", 1.0),
        ("delete", "ok", 1.0),
    ];
    for (kind, end, count) in expected {
        let labels = format!("virtual_server=\"default/demo\",kind=\"{kind}\",end=\"{end}\"");
        world.gateway.metric_where("tidegate_requests_total", &labels, |n| n == count);
    }
    let all: f64 = expected.iter().map(|e| e.2).sum();
    assert_eq!(world.gateway.metric("tidegate_requests_total", ""), all);
    world.gateway.metric_where("tidegate_requests_in_flight", "", |n| n == 0.0);
    assert_eq!(world.gateway.metric("tidegate_faults_total", "backend_timeout"), 1.0);
    assert_eq!(world.gateway.metric("tidegate_faults_total", "unknown_tool"), 1.0);
    assert_eq!(world.gateway.metric("tidegate_backend_call_duration_seconds_count", "mcpserver/a"), 4.0);
}

#[test]
fn a_scrape_is_well_formed() {
    let a = mock("a");
    let world = World::over(&a);
    world.client().call("a_who", json!({}));
    let (status, text) = world.gateway.admin("/metrics");
    assert_eq!(status, 200);
    let (mut typed, mut samples) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().expect("a name");
            assert!(typed.insert(name.to_owned()), "{name} is declared twice");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            let name = sample.split('{').next().expect("a name");
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s));
            let declared = typed.contains(name) || family.is_some_and(|f| typed.contains(f));
            assert!(declared && name.starts_with("tidegate_"), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(samples.insert(sample.to_owned()), "{sample} comes twice");
        }
    }
    assert!(samples.len() > 20, "{text}");
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/mcp", 404), ("/", 404)] {
        assert_eq!(world.gateway.admin(path).0, status, "{path}");
    }
}

#[test]
fn neither_tokens_nor_arguments_nor_keys_are_logged() {
    let a = mock("a");
    let vmcp = Vmcp::named("demo").bounded("a", a.addr, Duration::from_millis(300));
    let world = World::with([&vmcp], &["--log", "trace"]);
    let mut client = world.client();
    let secret = "hunter2-hunter2";
    client.call("a_echo", json!({"password": secret}));
    client.call("a_slow", json!({"ms": 600_000, "password": secret}));
    client.post(&call(1, "unknown", json!({"password": secret})));
    client.post_text(&format!("{{ {secret}"));
    client.call("a_close", json!({"before": true, "password": secret}));
    let session = client.session.clone();
    let backend = a.stats().last_by_method["tools/call"].header("mcp-session-id").map(str::to_owned);
    let backend = backend.expect("a backend session");
    assert_eq!(client.delete().status, 200);
    client.post(&list(1));
    let log = world.gateway.log();
    assert!(log.contains("TRACE"), "the log is as loud as can be");
    for (what, text) in [("an argument", secret), ("a token", &*session), ("a backend's session", &*backend)]
    {
        let line = log.lines().find(|l| l.contains(text));
        assert_eq!(line, None, "{what} is logged");
    }
}

#[test]
fn session_keys_on_disk_are_the_owners_alone() {
    let a = mock("a");
    let world = World::over(&a);
    let keys = world.gateway.state().join("session-keys");
    until("the keys are on disk", || keys.exists());
    let mode = std::fs::metadata(&keys).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
}

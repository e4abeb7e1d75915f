//! The binary against mocks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::process::{Command, Output};

use serde_json::Value;
use tidegate_bench_mock::{Control, Mock, Options};

fn load(mock: &Mock, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-load"));
    command.args(["--url", &mock.url(), "--json"]).args(args).output().unwrap()
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} {output:?}"))
}

/// Runs this against a fresh mock and demands that exactly `requests` were right.
#[track_caller]
fn check(options: Options, args: &[&str], requests: u64) -> Mock {
    let mock = Mock::start(options).unwrap();
    let output = load(&mock, args);
    let report = report(&output);
    assert!(output.status.success(), "{report}");
    assert_eq!(
        (report["requests"].as_u64(), report["failed"].as_u64()),
        (Some(requests), Some(0)),
        "{report}"
    );
    mock
}

#[test]
fn every_kind_of_request_is_answered() {
    let count = ["--requests", "300", "--sessions", "6", "--same"];
    let with = |more: &[&'static str]| [&count[..], more].concat();
    let mock = check(
        Options::default(),
        &with(&["--connections", "3", "--threads", "2", "--args", r#"{"a":1}"#, "--expect", r#"{\"a\":1}"#]),
        300,
    );
    let stats = mock.stats();
    assert_eq!((stats.sessions_opened, stats.calls_of("echo"), stats.connections_accepted), (6, 300, 3));
    check(Options { tool_count: 50, ..Options::default() }, &with(&["--method", "tools/list"]), 300);
    check(Options { stateless: true, ..Options::default() }, &with(&["--method", "ping"]), 300);
    check(Options { sse_answers: true, ..Options::default() }, &with(&["--sse"]), 300);
    check(
        Options::default(),
        &with(&["--tool", "progress", "--progress", "--sse", "--args", r#"{"n":5}"#]),
        300,
    );
    check(Options::default(), &with(&["--tool", "big", "--args", r#"{"bytes":200000}"#]), 300);
    let mock = check(Options::default(), &with(&["--method", "session"]), 300);
    let stats = mock.stats();
    assert_eq!((stats.sessions_opened, stats.sessions_deleted, stats.sessions_open), (300, 300, 0));
}

#[test]
fn an_open_loop_sends_at_its_rate() {
    let mock = Mock::start(Options::default()).unwrap();
    let pid = std::process::id().to_string();
    let output = load(&mock, &["--rate", "500", "--duration", "1s", "--sessions", "4", "--cpu-of", &pid]);
    let report = report(&output);
    assert!(output.status.success(), "{report}");
    // never more than the rate; how many fewer is the machine's business
    assert!((1..=504).contains(&report["requests"].as_u64().unwrap()), "{report}");
    assert!(report["cpu_us_per_request"][&pid].is_number());
}

#[test]
fn failures_are_counted_by_class_and_told_by_the_exit_code() {
    let count = ["--requests", "8", "--sessions", "2", "--wait", "0s"];
    for (class, args) in [
        ("rpc_error", &["--tool", "rpc_error"][..]),
        ("tool_error", &["--tool", "fail"]),
        ("connection_closed", &["--tool", "close"]),
        ("http_status", &["--tool", "status"]),
        ("wrong_answer", &["--tool", "who", "--expect", "someone else"]),
        ("timeout", &["--tool", "slow", "--args", r#"{"ms":60000}"#, "--timeout", "20ms"]),
    ] {
        let mock = Mock::start(Options::default()).unwrap();
        let output = load(&mock, &[&count[..], args].concat());
        let report = report(&output);
        assert_eq!(report["failures"][class], 8, "{report}");
        assert_eq!(output.status.code(), Some(1));
    }
    let mock = Mock::start(Options::default()).unwrap();
    let url = mock.url();
    drop(mock);
    let other = Mock::start(Options::default()).unwrap();
    let output = load(&other, &[&count[..], &["--url", &url, "--allow-failures"]].concat());
    assert!(report(&output)["failures"]["connect"].as_u64() >= Some(1));
    assert!(output.status.success());
}

#[test]
fn a_dropped_session_is_counted_and_replaced() {
    let mock = Mock::start(Options::default()).unwrap();
    let url = mock.url();
    let run = std::thread::spawn(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-load"));
        command.args(["--url", &url, "--json", "--requests", "200", "--sessions", "4"]);
        command.args(["--tool", "slow", "--args", r#"{"ms":2}"#]).output().unwrap()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let soon = std::time::Duration::from_secs(10);
    runtime.block_on(mock.eventually(soon, |s| s.calls_of("slow") > 20)).unwrap();
    mock.control(&Control { drop_sessions: true, ..Control::default() });
    let report = report(&run.join().unwrap());
    assert_eq!((&report["sessions_dropped"], &report["sessions_opened"]), (&4.into(), &8.into()), "{report}");
    assert_eq!(report["requests"], 196);
}

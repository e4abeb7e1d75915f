//! The binary against mocks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    let cpu = |field: &str| report[field][&pid].as_f64().unwrap_or_else(|| panic!("no {field}: {report}"));
    assert!(cpu("kernel_us_per_request") <= cpu("cpu_us_per_request"), "{report}");
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

/// A certificate for loopback that vouches for itself, as options of a mock and of the load.
fn certified(dir: &Path) -> (Options, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let ca = cert.display().to_string();
    (Options { tls_cert: Some(cert), tls_key: Some(key), ..Options::default() }, ca)
}

#[test]
fn tls_and_http_2_carry_the_same_requests() {
    let dir = tempfile::tempdir().unwrap();
    let (tls, ca) = certified(dir.path());
    let count = ["--requests", "60", "--sessions", "3", "--same"];
    check(Options { h2: true, ..Options::default() }, &[&count[..], &["--h2"]].concat(), 60);
    for (h2, more) in [(false, &[][..]), (true, &["--h2"])] {
        let mock = Mock::start(Options { h2, ..tls.clone() }).unwrap();
        let url = mock.url().replace("http:", "https:");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-load"));
        let output =
            command.args(["--url", &url, "--json", "--ca", &ca]).args(count).args(more).output().unwrap();
        let report = report(&output);
        assert_eq!((&report["requests"], &report["failed"]), (&60.into(), &0.into()), "{report}");
        assert_eq!(mock.stats().connections_accepted, 3);
    }
}

#[test]
fn the_series_and_the_bytes_add_up_to_the_whole() {
    let mock = Mock::start(Options::default()).unwrap();
    let output = load(&mock, &["--tool", "big", "--args", r#"{"bytes":1000}"#, "--duration", "1500ms"]);
    let report = report(&output);
    let series = report["series"].as_array().unwrap();
    let requests: u64 = series.iter().map(|second| second["requests"].as_u64().unwrap()).sum();
    assert_eq!((series.len(), Some(requests)), (2, report["requests"].as_u64()), "{report}");
    assert!((1000.0..1200.0).contains(&report["bytes_per_request"].as_f64().unwrap()), "{report}");
    let percentiles = report["latency_us"]["percentiles"].as_array().unwrap();
    assert!(percentiles.windows(2).all(|two| two[0][1].as_f64() <= two[1][1].as_f64()), "{report}");
}

#[test]
fn sessions_and_streams_are_held_until_the_input_ends() {
    let mock = Mock::start(Options { get_stream: true, ..Options::default() }).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-load"));
    command.args(["--url", &mock.url(), "--hold", "--streams", "--sessions", "40"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let held = r#"{"sessions":40,"streams":40,"failed":0,"example":null}"#;
    assert_eq!(lines.next().unwrap(), held);
    assert_eq!((mock.stats().sessions_open, mock.stats().streams_open), (40, 40));
    drop(child.stdin.take());
    assert_eq!(lines.next().unwrap(), held);
    assert!(child.wait().unwrap().success());
}

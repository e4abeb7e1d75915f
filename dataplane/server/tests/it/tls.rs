//! The port that speaks TLS: the same gateway behind it, and what may go wrong before.

use crate::h2;
use crate::sessions::seen;
use crate::support::http::Http;
use crate::support::mcp::{Client, call, call_with_progress, ping};
use crate::support::ports;
use crate::support::tables::Vmcp;
use crate::support::tls::{Pair, Port, client};
use crate::support::until;
use crate::support::world::{World, mock, mock_with};
use serde_json::json;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tidegate_bench_mock::{Mock, Options};
use tokio_rustls::rustls::version::{TLS12, TLS13};

const FAILURES: &str = "tidegate_tls_handshake_failures_total";
const HANDSHAKES: &str = "tidegate_tls_handshakes_total";

/// A gateway with a port that speaks TLS, over one mock that is `a`.
struct Stage {
    world: World,
    port: Port,
    a: Mock,
}

impl Stage {
    fn set(more: &[&str]) -> Self {
        let (port, a) = (Port::new(), mock("a"));
        let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &port.flags(more));
        Self { world, port, a }
    }

    #[track_caller]
    fn client(&self) -> Client {
        Client::open_on(self.port.connect(), self.port.addr, "/mcp")
    }

    #[track_caller]
    fn drained(&mut self) {
        assert_eq!(self.world.gateway.ended().code(), Some(0));
        let log = self.world.gateway.log();
        assert!(log.contains("drained") && !log.contains("the rest is cut"), "{log}");
    }
}

#[test]
fn sessions_calls_and_streams_are_what_they_are_without_tls() {
    let port = Port::new();
    let (a, b) = (mock("a"), mock_with(Options { sse_answers: true, ..Options::named("b") }));
    let demo = Vmcp::named("demo").with("a", a.addr).with("b", b.addr);
    let world = World::with([&demo], &port.flags(&["--keep-alive-ms", "50"]));
    for version in [&TLS12, &TLS13] {
        let trust = port.pair.trust(&[version], &["h2", "http/1.1"]);
        let mut client = Client::open_on(port.connect_with(trust.clone()), port.addr, "/mcp");
        assert_eq!(client.tools().len(), 24);
        assert_eq!(client.call_text("a_who", json!({})), "a");
        client.send(&call_with_progress(1, "b_progress", json!({"n": 3})));
        assert_eq!(client.http.head().status, 200);
        assert_eq!(std::iter::from_fn(|| client.http.event()).count(), 4, "three steps and the result");
        let mut stream = port.connect_with(trust);
        stream.send(client.head("GET", ""));
        assert_eq!(stream.head().status, 200);
        assert!(stream.sse().is_some(), "a comment");
        assert_eq!(client.delete().status, 200);
        assert_eq!(stream.sse(), None);
        stream.closed();
    }
    let mut plain = world.client();
    assert_eq!(plain.call_text("a_who", json!({})), "a", "the shared port goes on in the clear");
    let mut inside = plain.over(port.connect());
    assert_eq!(inside.call_text("a_who", json!({})), "a", "it is the same session on both ports");
}

#[test]
fn http2_is_spoken_where_alpn_says_so() {
    let stage = Stage::set(&[]);
    let trust = |alpn: &[&str]| stage.port.pair.trust(&[&TLS13], alpn);
    h2::run(async {
        for (offered, chosen) in [
            (vec!["h2", "http/1.1"], Some("h2")),
            (vec!["http/1.1", "h2"], Some("h2")),
            (vec!["http/1.1"], Some("http/1.1")),
            (vec![], None),
        ] {
            let stream = stage.port.connect_async(trust(&offered)).await;
            let alpn = stream.get_ref().1.alpn_protocol();
            assert_eq!(alpn, chosen.map(str::as_bytes), "{offered:?}");
        }
        let stream = stage.port.connect_async(trust(&["h2"])).await;
        let mut client = h2::Client::over(stream, stage.port.addr).await.initialized().await;
        let calls = (0..50).map(|i| {
            let mut client = client.clone();
            tokio::spawn(async move { client.call_text("a_echo", json!({"i": i})).await })
        });
        for (i, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(call.await.expect("an answer"), format!(r#"{{"i":{i}}}"#));
        }
        assert_eq!(client.call_text("a_big", json!({"bytes": 1_000_000})).await.len(), 1_000_000);
    });
}

#[test]
fn a_large_answer_arrives_whole_and_so_does_a_large_request() {
    let stage = Stage::set(&[]);
    let mut client = stage
        .client()
        .over(Http::narrow(stage.port.addr).secured(client(stage.port.pair.trust(&[&TLS13], &[]))));
    for bytes in [15_000, 17_000, 300_000, 5_000_000] {
        assert_eq!(client.call_text("a_big", json!({"bytes": bytes})).len(), bytes);
        let text = "x".repeat(bytes);
        assert_eq!(client.call_text("a_echo", json!({"text": text})).len(), bytes + r#"{"text":""}"#.len());
    }
}

#[test]
fn a_client_that_comes_again_resumes_its_session_of_tls() {
    let stage = Stage::set(&[]);
    for (n, version) in [(1.0, &TLS12), (2.0, &TLS13)] {
        let trust = stage.port.pair.trust(&[version], &["http/1.1"]);
        let mut first = Client::open_on(stage.port.connect_with(trust.clone()), stage.port.addr, "/mcp");
        assert_eq!(first.call_text("a_who", json!({})), "a");
        let mut second = first.over(stage.port.connect_with(trust));
        assert_eq!(second.call_text("a_who", json!({})), "a");
        stage.world.gateway.metric_where(HANDSHAKES, r#"kind="resumed""#, |found| found == n);
        stage.world.gateway.metric_where(HANDSHAKES, r#"kind="full""#, |found| found == n);
    }
}

#[test]
fn another_certificate_is_taken_from_the_files_and_a_broken_one_is_not() {
    let stage = Stage::set(&[]);
    let gateway = &stage.world.gateway;
    let mut early = stage.client();
    let until = gateway.metric("tidegate_tls_certificate_expires_seconds", "");
    assert!(until > 1e9, "{until}");

    let next = Pair::new();
    stage.port.replace(&next);
    gateway.metric_where("tidegate_tls_certificate_reloads_total", "", |n| n == 1.0);
    let trust = next.trust(&[&TLS13], &["http/1.1"]);
    let mut late = Client::open_on(stage.port.connect_with(trust.clone()), stage.port.addr, "/mcp");
    assert_eq!(late.call_text("a_who", json!({})), "a");
    assert_eq!(early.call_text("a_who", json!({})), "a", "what is open stays");

    let broken = "tidegate_tls_certificate_reload_failures_total";
    // the key of another certificate
    stage.port.replace(&Pair { certificate: next.certificate.clone(), ..Pair::new() });
    gateway.metric_where(broken, "", |n| n == 1.0);
    // written over in place
    std::fs::write(stage.port.certificate_file(), "no certificate").expect("a file");
    gateway.metric_where(broken, "", |n| n == 2.0);
    assert_eq!(late.over(stage.port.connect_with(trust)).call_text("a_who", json!({})), "a");
    let log = gateway.log();
    for said in ["tls certificate replaced", "made together", "holds no certificate", "stays in effect"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert!(!log.contains("PRIVATE KEY-----"), "{log}");
    stage.port.replace(&Pair::new());
    gateway.metric_where("tidegate_tls_certificate_reloads_total", "", |n| n == 2.0);
}

#[test]
fn what_fails_before_the_first_request_is_counted_by_its_reason() {
    let stage = Stage::set(&["--read-ms", "500"]);
    let gateway = &stage.world.gateway;
    let counted = |reason: &str| {
        gateway.metric_where(FAILURES, &format!(r#"reason="{reason}""#), |n| n == 1.0);
    };
    let mut silent = Http::connect(stage.port.addr);
    silent.closed();
    counted("timeout");
    let mut plain = Http::connect(stage.port.addr);
    plain.send("POST /mcp HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(plain.bytes(1), [21], "an alert and no answer");
    counted("not_tls");
    drop(TcpStream::connect(stage.port.addr).expect("the port is open"));
    counted("client_gone");
    let mut stranger = Http::connect(stage.port.addr).secured(client(Pair::new().trust(&[&TLS13], &[])));
    assert!(!stranger.try_send("GET / HTTP/1.1\r\n\r\n"), "it trusts another certificate");
    counted("refused");
    let log = gateway.log();
    assert!(log.contains("tls handshakes failed") && log.contains(r#"reason="not_tls""#), "{log}");
    assert_eq!(stage.client().call_text("a_who", json!({})), "a");
}

#[test]
fn a_handshake_takes_a_place_and_who_has_none_is_cut_at_once() {
    let stage = Stage::set(&["--max-connections-per-address", "2", "--max-connections", "0"]);
    let gateway = &stage.world.gateway;
    gateway.metric_where("tidegate_connections_open", "", |n| n == 0.0);
    let waiting = [Http::connect(stage.port.addr), Http::connect(stage.port.addr)];
    gateway.metric_where("tidegate_connections_open", "", |n| n == 2.0);
    Http::connect(stage.port.addr).closed();
    assert_eq!(gateway.metric("tidegate_refused_total", "connections_per_address"), 1.0);
    drop(waiting);
    gateway.metric_where("tidegate_connections_open", "", |n| n == 0.0);
    assert_eq!(stage.client().call_text("a_who", json!({})), "a");
}

#[test]
fn a_drain_answers_what_is_under_way_and_waits_for_no_handshake() {
    let mut stage = Stage::set(&["--drain", "3600"]);
    let (mut busy, mut idle) = (stage.client(), stage.client());
    let mut waiting = Http::connect(stage.port.addr);
    stage.world.gateway.metric_where("tidegate_connections_open", "", |n| n == 3.0);
    busy.send(&call(1, "a_slow", json!({"ms": 1_000})));
    seen(&stage.a, "the call", |s| s.calls_running == 1);
    stage.world.gateway.terminate();
    let answer = busy.http.response();
    assert_eq!(answer.json()["result"]["content"][0]["text"], "slept 1000 ms");
    assert_eq!(answer.head.field("connection"), Some("close"));
    for http in [&mut busy.http, &mut idle.http, &mut waiting] {
        // over TLS this also says that the end was announced
        http.closed();
    }
    until("the port is closed", || TcpStream::connect(stage.port.addr).is_err());
    stage.drained();
}

#[test]
fn no_request_fails_while_another_process_takes_over() {
    let mut stage = Stage::set(&[]);
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let clients: Vec<_> = (0..4).map(|_| stage.client()).collect();
    let port = &stage.port;
    std::thread::scope(|scope| {
        for mut client in clients {
            let (stop, calls) = (&stop, &calls);
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    let answer = client.post(&ping(1));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    calls.fetch_add(1, Relaxed);
                    if answer.head.field("connection") == Some("close") {
                        client = client.over(port.connect());
                    }
                }
            });
        }
        let successor = stage.world.gateway.successor();
        let mut old = std::mem::replace(&mut stage.world.gateway, successor);
        old.terminate();
        assert_eq!(old.ended().code(), Some(0));
        let before = calls.load(Relaxed);
        until("the new one serves", || calls.load(Relaxed) > before + 100);
        stop.store(true, Relaxed);
    });
    let log = stage.world.gateway.log();
    assert!(!log.contains("the rest is cut"), "{log}");
}

#[test]
fn what_is_wrong_at_the_start_names_the_flag_the_file_and_the_remedy() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (pair, other) = (Pair::new(), Pair::new());
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (certificate, key) = (file("tls.crt", &pair.certificate), file("tls.key", &pair.key));
    let (empty, wrong) = (file("empty.pem", ""), file("other.key", &other.key));
    let (listen, tls) = (ports::free().to_string(), ports::free().to_string());
    let check = |given: &[&str], expected: &[&str]| {
        let ended = Command::new(env!("CARGO_BIN_EXE_tidegate-dataplane"))
            .args(["--control-plane", "unix:/nowhere/push.sock", "--listen", &listen])
            .args(["--admin", &ports::free().to_string(), "--state-dir"])
            .arg(dir.path().join("state"))
            .args(given)
            .output()
            .expect("the binary starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{given:?}: {said}");
        assert!(expected.iter().all(|e| said.contains(e)), "{given:?}: {said}");
        assert!(!said.contains("PRIVATE KEY-----"), "{said}");
    };
    check(&["--tls-listen", &tls], &["--tls-certificate", "--tls-key"]);
    check(&["--tls-key", &key], &["--tls-listen"]);
    let all = |listen, certificate, key| {
        ["--tls-listen", listen, "--tls-certificate", certificate, "--tls-key", key]
    };
    check(&all(&listen, &certificate, &key), &["--tls-listen and --listen are both", "a port of its own"]);
    check(
        &all(&tls, "/nowhere/tls.crt", &key),
        &["/nowhere/tls.crt (--tls-certificate)", "may read", "No such"],
    );
    check(&all(&tls, &empty, &key), &["empty.pem (--tls-certificate)", "in PEM"]);
    check(&all(&tls, &certificate, &empty), &["empty.pem (--tls-key)", "without a passphrase"]);
    check(
        &all(&tls, &certificate, &wrong),
        &["other.key (--tls-key)", "tls.crt (--tls-certificate)", "made together"],
    );
}

//! The table of `docs/failure-handling.md`: every fault against what its client sees, when, and what becomes of the
//! backend. Made by this test from real processes; `UPDATE=1` rewrites it.

use super::backend::Backend;
use super::outcome::{Outcome, outcome};
use super::stage::{Stage, Status};
use crate::support::until;
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

const ANNOTATIONS: &str = "{tidegate.dev/connect-timeout: 1s, tidegate.dev/idle-timeout: 2s}";
const OPERATIONAL: &str = "{timeouts: {default: 3s}, failureHandling: {healthCheckInterval: 1s, \
    healthCheckTimeout: 900ms, statusReportingInterval: 1s, \
    circuitBreaker: {enabled: true, failureThreshold: 3, timeout: 2s}}}";

/// Probes in a row after which nothing changes any more.
const SETTLED: u32 = 5;
/// Rows that are made at the same time.
const AT_ONCE: usize = 3;

/// How a fault is made.
enum Fault {
    /// The backend answers by these rules.
    Rules(Value),
    /// Control of the backend that lasts until the second one.
    Script(Value, Value),
    /// Happens to the process, and ends.
    Process(fn(&mut Backend), fn(&mut Backend)),
    /// Happens to the process while the call is at the backend, and ends.
    InFlight(fn(&mut Backend), fn(&mut Backend)),
    /// Its port is open and accepts nothing.
    BlackHole,
    /// Its name is not known.
    NoName,
}

/// What came of one fault.
struct Row {
    fault: &'static str,
    seen: Outcome,
    after: Status,
}

fn faults() -> Vec<(&'static str, Fault)> {
    use Fault::{BlackHole, InFlight, NoName, Process, Rules, Script};
    let all = |fault: Value| Rules(json!([{ "fault": fault }]));
    let nothing: fn(&mut Backend) = |_| {};
    let restart: fn(&mut Backend) = |b| {
        b.kill();
        b.up();
    };
    vec![
        ("connection refused", Process(Backend::kill, Backend::up)),
        ("black hole: the port does not accept", BlackHole),
        ("accept and hang", Script(json!({"hang": true}), json!({"hang": false}))),
        ("slow headers, a byte in 100 ms", all(json!({"slow_head": 100}))),
        ("slow body, a byte in 100 ms", all(json!({"slow_body": 100}))),
        ("SSE that stalls after two events", all(json!({"stall": 2}))),
        ("reset before an answer", all(json!({"reset": "request"}))),
        ("reset in the middle of a JSON body", all(json!({"reset": "half"}))),
        ("reset in the middle of an SSE answer", all(json!({"reset": "event"}))),
        ("500", all(json!({"status": {"code": 500}}))),
        ("503 with `Retry-After: 1`", all(json!({"status": {"code": 503, "retry_after": 1}}))),
        ("429 with `Retry-After: 1`", all(json!({"status": {"code": 429, "retry_after": 1}}))),
        ("401", all(json!({"status": {"code": 401}}))),
        ("403", all(json!({"status": {"code": 403}}))),
        ("404 for its session", Script(json!({"drop_sessions": true}), json!({}))),
        ("malformed JSON", all(json!("malformed"))),
        ("an answer to another id", all(json!("wrong_id"))),
        ("oversized answer, 32 MiB", all(json!({"oversized": 32 << 20}))),
        ("kill -9 during the call", InFlight(Backend::kill, Backend::up)),
        ("SIGSTOP, later SIGCONT", Process(|b| b.freeze(), |b| b.thaw())),
        ("restart on the same port", Process(restart, nothing)),
        ("DNS that fails and then works", NoName),
    ]
}

/// Makes a fault happen to a backend that is well, and sees it end.
fn row(fault: &'static str, how: &Fault) -> Row {
    let good = Backend::start("good");
    let mut bad = Backend::start("bad");
    let (near, named) = (good.addr.to_string(), format!("bad.test:{}", bad.addr.port()));
    let stage = Stage::start(&[("good", &near), ("bad", &named)], &["bad.test"], ANNOTATIONS, OPERATIONAL);
    stage.phase("Ready");
    let mut client = stage.client();
    assert_eq!(client.call_text("bad_who", json!({})), "bad");
    let hole = begin(how, &mut bad, &stage);
    let seen =
        outcome(&client, if matches!(how, Fault::InFlight(..)) { "bad_slow" } else { "bad_who" }, || {
            if let Fault::InFlight(strike, _) = how {
                bad.seen("the call", |s| s.calls_running == 1);
                strike(&mut bad);
            }
        });
    // what calls say of it counts too
    let more: Vec<_> = (0..2).map(|_| client.again()).collect();
    std::thread::scope(|scope| {
        for client in &more {
            scope.spawn(|| outcome(client, "bad_who", || {}));
        }
    });
    let after = settled(&stage);
    assert_eq!(client.call_text("good_who", json!({})), "good", "{fault}: the other backend");
    drop(hole);
    end(how, &mut bad, &stage);
    stage.phase("Ready");
    until(&format!("{fault}: its tools are back"), || client.tools().len() == 24);
    assert_eq!(client.call_text("bad_who", json!({})), "bad", "{fault}: the same session, once it is over");
    Row { fault, seen, after }
}

fn begin(how: &Fault, bad: &mut Backend, stage: &Stage) -> Option<BlackHole> {
    match how {
        Fault::Rules(rules) => bad.fault(rules),
        Fault::Script(control, _) => bad.script(control),
        Fault::Process(strike, _) => strike(bad),
        Fault::InFlight(..) => {}
        Fault::BlackHole => {
            bad.kill();
            return Some(BlackHole::at(bad.addr));
        }
        Fault::NoName => {
            stage.names(&[]);
            bad.close_connections();
            // by then the gateway has heard that they are closed
            stage.says("a probe failed", |s| s.backend("bad", "message") != "Healthy");
        }
    }
    None
}

fn end(how: &Fault, bad: &mut Backend, stage: &Stage) {
    match how {
        Fault::Rules(_) => bad.fault(&json!([])),
        Fault::Script(_, control) => bad.script(control),
        Fault::Process(_, recover) | Fault::InFlight(_, recover) => recover(bad),
        Fault::BlackHole => bad.up(),
        Fault::NoName => stage.names(&["bad.test"]),
    }
}

/// The status once it says nothing new: after some probes that failed, or that came later than the fault.
fn settled(stage: &Stage) -> Status {
    let mut probes: Vec<String> = Vec::new();
    stage.says("the same for some probes", |s| {
        let last = s.backend("bad", "lastHealthCheck");
        if probes.last().is_none_or(|l| l != last) {
            probes.push(last.into());
        }
        // each of these is at least a second after the one before
        probes.len() > SETTLED as usize
    })
}

/// A listener whose queue is full.
struct BlackHole {
    _listener: socket2::Socket,
    _queued: Vec<socket2::Socket>,
}

impl BlackHole {
    fn at(addr: SocketAddr) -> Self {
        let socket =
            || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        let listener = socket();
        listener.set_reuse_address(true).expect("a socket");
        listener.bind(&addr.into()).expect("the backend is gone");
        listener.listen(0).expect("a socket");
        let fill = |_| {
            let queued = socket();
            queued.set_nonblocking(true).expect("a socket");
            // it says that it is on its way, and for most it stays so
            let _ = queued.connect(&addr.into());
            queued
        };
        Self { _queued: (0..4).map(fill).collect(), _listener: listener }
    }
}

#[test]
fn the_table_of_faults_is_what_happens() {
    let faults = faults();
    let next = Mutex::new(0..faults.len());
    let rows: Vec<Mutex<Option<Row>>> = faults.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(n) = { next.lock().expect("no panic holds it").next() } {
                    let (fault, how) = &faults[n];
                    *rows[n].lock().expect("no panic holds it") = Some(row(fault, how));
                }
            });
        }
    });
    let rows = rows.into_iter().map(|r| r.into_inner().expect("no panic").expect("made"));
    compare(&render(rows));
}

fn render(rows: impl Iterator<Item = Row>) -> String {
    let mut table = String::from(
        "| fault of the backend | what the client saw | after | breaker | status of the backend | phase |\n|---|---|---|---|---|---|\n",
    );
    for Row { fault, seen, after } in rows {
        let breaker = match after.backend("bad", "circuitBreakerState") {
            // tried every now and then
            "half-open" => "open",
            state => state,
        };
        let message = message(after.backend("bad", "message"));
        let (status, phase) = (after.backend("bad", "status"), after.field("phase"));
        writeln!(
            table,
            "| {fault} | {} | {} | {breaker} | {status}: {message} | {phase} |",
            seen.what,
            seen.when()
        )
        .expect("a text");
    }
    table
}

/// Without what counts up, and without what the breaker's column says.
fn message(text: &str) -> &str {
    let text = text.split(" (failures: ").next().unwrap_or(text);
    let testing = text.strip_prefix("Circuit breaker testing recovery - ");
    testing.or(text.strip_prefix("Circuit breaker OPEN - ")).unwrap_or(text)
}

/// Holds the table against the document between its marks.
fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/failure-handling.md");
    let document = std::fs::read_to_string(&path).expect("docs/failure-handling.md");
    let parts = document
        .split_once("<!-- table -->\n")
        .and_then(|(head, rest)| Some((head, rest.split_once("<!-- end -->")?)));
    let (head, (committed, tail)) = parts.expect("marks around the table");
    if std::env::var_os("UPDATE").is_some() {
        let updated = format!("{head}<!-- table -->\n{table}<!-- end -->{tail}");
        std::fs::write(&path, updated).expect("docs/failure-handling.md is writable");
        return;
    }
    let stale: Vec<_> = table.lines().filter(|l| !committed.contains(l)).collect();
    assert!(
        committed == table,
        "docs/failure-handling.md is stale: run this test with UPDATE=1; new:\n{}",
        stale.join("\n")
    );
}

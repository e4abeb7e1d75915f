//! What a call may cost the gateway: system calls, and no memory. Counts, not times.

use crate::support::http::Http;
use crate::support::mcp::{Client, call};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;
use std::process::{Command, Stdio};

/// Sessions, each with a connection of its own and one call at a time.
const SESSIONS: usize = 16;

/// Two reads, two writes, and a share of a wait; 4.17 in a `dist` build, whose waits each serve more calls than those of this one.
const MOST_SYSTEM_CALLS: f64 = 4.5;

/// Sends a call on every connection, then reads all answers: the gateway sees always as many at once.
struct Load {
    clients: Vec<(Client, String)>,
}

impl Load {
    fn over(world: &World) -> Self {
        let client = |_| {
            let client = world.client();
            let request =
                client.request(&call(1, "a_echo", json!({"text": "hello", "n": 12345})).to_string());
            (client, request)
        };
        Self { clients: (0..SESSIONS).map(client).collect() }
    }

    /// At least this many calls; gives how many.
    fn run(&mut self, calls: usize) -> usize {
        let rounds = calls.div_ceil(SESSIONS);
        for _ in 0..rounds {
            for (client, request) in &mut self.clients {
                client.http.send(&request);
            }
            for (client, _) in &mut self.clients {
                expect_echo(&mut client.http);
            }
        }
        rounds * SESSIONS
    }
}

fn expect_echo(http: &mut Http) {
    let answer = http.response();
    assert!(answer.status == 200 && answer.text().contains("12345"), "{}", answer.text());
}

#[test]
fn a_call_allocates_nothing_in_steady_state() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").with("a", a.addr)]);
    let mut load = Load::over(&world);
    load.run(2_000);
    let allocations = || world.gateway.metric("tidegate_process_allocations_total", "");
    let first = allocations();
    // what the scrape itself takes, and whatever else goes on
    let before = allocations();
    let scrape = before - first;
    let calls = load.run(20_000) as f64;
    let per_call = (allocations() - before - scrape).max(0.0) / calls;
    eprintln!("{per_call} allocations per call");
    assert!(first > 0.0, "the binary counts");
    assert!(per_call < 0.01, "{per_call} allocations per call (a scrape takes {scrape})");
}

#[test]
fn a_call_takes_few_system_calls() {
    let installed =
        Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    assert!(installed, "strace is missing: run scripts/setup-tests");
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").with("a", a.addr)]);
    let mut load = Load::over(&world);
    load.run(1_000);
    // on a busy machine calls that are sent together do not arrive together, which takes more waits: the least counts
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (calls, summary) = traced(&world, || load.run(2_000));
        let per_call = total(&summary) as f64 / calls as f64;
        eprintln!("{per_call} system calls per call");
        assert!(per_call >= 4.0, "two reads and two writes at least, so this counts wrongly:\n{summary}");
        if per_call <= MOST_SYSTEM_CALLS {
            return;
        }
        seen.push((per_call, summary));
    }
    panic!("too many system calls per call: {seen:#?}");
}

/// The summary of the gateway's system calls while `load` runs.
fn traced<T>(world: &World, load: impl FnOnce() -> T) -> (T, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (summary, said) = (dir.path().join("summary"), dir.path().join("said"));
    let mut strace = Command::new("strace")
        .args(["-c", "-f", "-o"])
        .arg(&summary)
        .args(["-p", &world.gateway.pid().to_string()])
        .stderr(std::fs::File::create(&said).expect("a file"))
        .spawn()
        .expect("strace starts");
    let words = || std::fs::read_to_string(&said).unwrap_or_default();
    until("strace is attached", || {
        if let Some(status) = strace.try_wait().expect("our child") {
            panic!("strace cannot attach ({status}; needs root or ptrace rights): {}", words());
        }
        words().contains("attached")
    });
    let done = load();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(strace.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it runs");
    strace.wait().expect("it ends");
    (done, std::fs::read_to_string(&summary).expect("a summary"))
}

/// The number of calls in a summary of `strace -c`, without those of a clock thread, which ticks whatever happens.
fn total(summary: &str) -> u64 {
    let calls = |line: &str| line.split_whitespace().nth(3)?.parse::<u64>().ok();
    let of = |name: &str| {
        summary.lines().rev().find(|l| l.split_whitespace().last() == Some(name)).and_then(calls)
    };
    of("total").unwrap_or_else(|| panic!("a total: {summary}")) - of("clock_nanosleep").unwrap_or(0)
}

#[test]
fn a_session_costs_no_connection_while_it_is_idle() {
    let a = mock("a");
    let world = World::over(&a);
    let before = world.gateway.metric("tidegate_backend_connects_total", "mcpserver/a");
    let mut clients: Vec<Client> = (0..64).map(|_| world.client()).collect();
    for client in &mut clients {
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
    let connects = world.gateway.metric("tidegate_backend_connects_total", "mcpserver/a") - before;
    assert!(connects <= 8.0, "{connects} connections for 64 sessions, one call at a time");
}

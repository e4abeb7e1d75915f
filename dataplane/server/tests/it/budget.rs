//! What requests may cost the gateway: allocations and system calls. Counts, not times, as they are in the debug build:
//! whoever adds to one of them changes a figure here and says why.

use crate::support::mcp::{Client, call, call_with_progress, initialize, initialized, list};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// Connections, each with one request at a time.
const CONNECTIONS: usize = 16;

/// Looks until one is within the budget: on a busy machine what is sent together does not arrive together, which takes
/// more waits, and tables that grow are allocated anew.
const LOOKS: usize = 5;

/// What clients do again and again.
enum What {
    /// One request of a session that stays.
    Request(Value),
    /// initialize, initialized, list, call, DELETE.
    Session,
}

/// What each time may cost.
struct Budget {
    what: What,
    allocations: f64,
    system_calls: f64,
}

/// Measured on two cores: 4.34, 4.83, 4.73, 2.16 and 21.4 system calls, of which the part behind the point is waits, that
/// serve several requests each, and large bodies that arrive in two pieces. What is above that is for a busy machine; a
/// read or a write more is not in it. Of a session's allocations (what it takes of memory, and what its opening at the
/// backend does) none is a call's or a list's.
fn budgets() -> [(&'static str, Budget); 5] {
    let echo = |bytes| What::Request(call(1, "a_echo", json!({"text": "x".repeat(bytes)})));
    let events = What::Request(call_with_progress(1, "a_progress", json!({"n": 10})));
    let list = What::Request(list(1));
    let of = |what, allocations, system_calls| Budget { what, allocations, system_calls };
    [
        ("a call of 200 bytes", of(echo(200), 0.0, 4.5)),
        ("a call of 16 KiB", of(echo(16 << 10), 0.0, 5.1)),
        ("a call with 10 events", of(events, 0.0, 5.1)),
        ("a list", of(list, 0.0, 2.4)),
        ("a whole session", of(What::Session, 42.0, 22.0)),
    ]
}

/// Sends on every connection, then reads all answers: the gateway sees always as many at once.
struct Load<'w> {
    clients: Vec<Client>,
    what: &'w What,
}

impl<'w> Load<'w> {
    fn over(world: &World, what: &'w What) -> Self {
        Self { clients: (0..CONNECTIONS).map(|_| world.client()).collect(), what }
    }

    /// At least this many times; gives how many.
    fn run(&mut self, times: usize) -> usize {
        let rounds = times.div_ceil(CONNECTIONS);
        for _ in 0..rounds {
            match self.what {
                What::Request(message) => self.post(message, 200),
                What::Session => self.session(),
            }
        }
        rounds * CONNECTIONS
    }

    fn post(&mut self, message: &Value, status: u16) {
        let body = message.to_string();
        for client in &mut self.clients {
            let request = client.request(&body);
            client.http.send(request);
        }
        for client in &mut self.clients {
            let answer = client.http.response();
            assert_eq!(answer.status, status, "{}", answer.text());
            assert!(!answer.text().contains("\"error\""), "{}", answer.text());
            if let Some(session) = answer.head.field("mcp-session-id") {
                client.session = session.into();
            }
        }
    }

    fn session(&mut self) {
        self.clients.iter_mut().for_each(|client| client.session.clear());
        self.post(&initialize("2025-11-25"), 200);
        self.post(&initialized(), 202);
        self.post(&list(2), 200);
        self.post(&call(3, "a_echo", json!({"text": "hello"})), 200);
        for client in &mut self.clients {
            let request = client.head("DELETE", "");
            client.http.send(request);
        }
        for client in &mut self.clients {
            assert_eq!(client.http.response().status, 200);
        }
    }
}

/// Looks at a cost until it is within its budget.
#[track_caller]
fn within(name: &str, cost: &str, budget: f64, mut look: impl FnMut() -> f64) {
    let mut seen = Vec::new();
    for _ in 0..LOOKS {
        let each = look();
        eprintln!("{name}: {each} {cost}");
        if each <= budget {
            return;
        }
        seen.push(each);
    }
    panic!("{name}: {seen:?} {cost}, and {budget} are allowed");
}

#[test]
fn requests_allocate_no_more_than_their_budget() {
    for (name, budget) in budgets() {
        let a = mock("a");
        let world = World::of([&Vmcp::named("demo").with("a", a.addr)]);
        let mut load = Load::over(&world, &budget.what);
        load.run(1_000);
        let allocations = || world.gateway.metric("tidegate_process_allocations_total", "");
        assert!(allocations() > 0.0, "the binary counts");
        // whatever else goes on is not the requests'
        within(name, "allocations", budget.allocations + 0.01, || {
            let first = allocations();
            let before = allocations();
            let scrape = before - first;
            let times = load.run(4_000) as f64;
            (allocations() - before - scrape).max(0.0) / times
        });
    }
}

#[test]
fn requests_take_no_more_system_calls_than_their_budget() {
    let installed =
        Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    assert!(installed, "strace is missing: run scripts/setup-tests");
    for (name, budget) in budgets() {
        let a = mock("a");
        let world = World::of([&Vmcp::named("demo").with("a", a.addr)]);
        let mut load = Load::over(&world, &budget.what);
        load.run(500);
        within(name, "system calls", budget.system_calls, || {
            let (times, summary) = traced(&world, || load.run(1_000));
            let each = total(&summary) as f64 / times as f64;
            assert!(each >= 2.0, "a read and a write at least, so this counts wrongly:\n{summary}");
            each
        });
    }
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
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--threads", "2"]);
    let mut clients: Vec<Client> = (0..64).map(|_| world.client()).collect();
    for client in &mut clients {
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
    // one in reserve for each worker and the prober: those that were opened in all are as many as the machine is slow,
    // since none is used again that was idle for four seconds
    let open = world.gateway.metric("tidegate_backend_connections_open", "mcpserver/a");
    assert!(open <= 3.0, "{open} connections for 64 sessions, one call at a time");
}

//! What a run leaves behind when it is told to end.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A bound for what must happen; passing tests never wait for it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The descendants of a process: their numbers and names.
fn descendants(pid: u32) -> Vec<(u32, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> =
        children.flat_map(|c| c.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect();
    let named =
        |pid| (pid, fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned());
    children.into_iter().flat_map(|pid| [vec![named(pid)], descendants(pid)].concat()).collect()
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run of an hour, with temporary folders in `dir`.
fn run(dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tidegate-compare"))
        .args(["--only", "call-64-bytes", "--targets", "direct,tidegate", "--millis", "3600000", "--out"])
        .arg(dir.join("out"))
        .env("TMPDIR", dir.join("tmp"))
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

#[test]
fn a_signal_ends_what_was_started_and_takes_temporary_files_away() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let temporary = dir.path().join("tmp");
        fs::create_dir(&temporary).expect("a directory");
        let mut run = run(dir.path());
        let mut started = Vec::new();
        until("the load runs", || {
            assert!(run.try_wait().expect("our child").is_none(), "cargo build --workspace --bins?");
            started = descendants(run.id());
            ["tidegate-load", "tidegate-datapl", "tidegate-contro", "mock-mcp"]
                .iter()
                .all(|name| started.iter().any(|(_, comm)| comm == name))
        });
        let pid = Pid::from_raw(i32::try_from(run.id()).expect("a pid"));
        kill(pid, signal).expect("it runs");
        let mut ended = None;
        until("it ends", || {
            ended = run.try_wait().expect("our child");
            ended.is_some()
        });
        assert_eq!(ended.and_then(|e| e.code()), Some(code), "{signal}");
        for (pid, name) in started {
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{name} still runs");
        }
        let left: Vec<_> = fs::read_dir(&temporary).expect("our directory").flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!dir.path().join("out").exists(), "half a report");
    }
}

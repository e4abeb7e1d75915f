//! Other programs: backends and clients that are not ours, and what they need.

use super::{DEADLINE, eventually, until};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The pins that `scripts/setup-tests` installs from, and the name of the copy that it leaves.
const PINS: [(&str, &str); 2] = [
    ("requirements.txt", include_str!("../../../../../scripts/test-deps/requirements.txt")),
    ("package-lock.json", include_str!("../../../../../scripts/test-deps/package-lock.json")),
];

/// A program that ends with the test; what it says is shown when the test fails.
pub(crate) struct Program {
    child: Child,
    said: tempfile::NamedTempFile,
}

/// Where `scripts/setup-tests` put the SDKs.
pub(crate) fn test_deps() -> PathBuf {
    let cache = || match std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
    };
    let dir = std::env::var_os("TIDEGATE_TEST_DEPS").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| cache().join("tidegate/test-deps"));
    for (name, pins) in PINS {
        let installed = std::fs::read_to_string(dir.join("installed").join(name)).unwrap_or_default();
        assert!(
            installed == pins,
            "{name} is not installed in {} as pinned: run scripts/setup-tests",
            dir.display()
        );
    }
    dir
}

/// A binary of another package of the workspace, built into the same directory as this test.
pub(crate) fn workspace_binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("our own path");
    let path = test.parent().and_then(Path::parent).expect("target/PROFILE/deps").join(name);
    assert!(path.exists(), "{} is missing: run cargo build --workspace --bins", path.display());
    path
}

impl Program {
    /// Starts it and waits until `addr` answers.
    #[track_caller]
    pub(crate) fn listening(command: &mut Command, addr: SocketAddr) -> Self {
        let said = tempfile::NamedTempFile::new().expect("a temporary file");
        let out = || said.reopen().expect("our file");
        let child = command.stdin(Stdio::null()).stdout(out()).stderr(out()).spawn();
        let child = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut program = Self { child, said };
        eventually("the program listens", || {
            if let Some(status) = program.child.try_wait().expect("our child") {
                panic!("it ended: {status}");
            }
            TcpStream::connect(addr).ok()
        });
        program
    }
}

impl Program {
    /// Stops it in the middle of whatever it does: it reads nothing any more.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let stat = format!("/proc/{}/stat", self.child.id());
        // the state stands behind the name, which is in parentheses
        let stopped = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'));
        until("the process is stopped", || std::fs::read_to_string(&stat).is_ok_and(stopped));
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        nix::sys::signal::kill(pid, signal).expect("a running process");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.said.path()).unwrap_or_default();
            eprintln!("--- said by pid {}\n{said}\n---", self.child.id());
        }
        // errors: it has ended by itself
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs a program to its end, in time, and gives what it printed.
#[track_caller]
pub(crate) fn output<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, dir: &Path, args: &[S]) -> String {
    let (out, err) = (tempfile::NamedTempFile::new(), tempfile::NamedTempFile::new());
    let (out, err) = (out.expect("a temporary file"), err.expect("a temporary file"));
    let mut child = Command::new(&program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(out.reopen().expect("our file"))
        .stderr(err.reopen().expect("our file"))
        .spawn()
        .unwrap_or_else(|e| panic!("{:?}: {e}", program.as_ref()));
    let read = |f: &tempfile::NamedTempFile| std::fs::read_to_string(f.path()).unwrap_or_default();
    let until = Instant::now() + 2 * DEADLINE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our child") {
            break status;
        }
        if Instant::now() > until {
            let _ended = child.kill();
            let _reaped = child.wait();
            panic!("{:?} does not end; it said {} {}", program.as_ref(), read(&out), read(&err));
        }
        std::thread::sleep(super::LOOK);
    };
    assert!(status.success(), "{:?}: {status}; it said {} {}", program.as_ref(), read(&out), read(&err));
    read(&out)
}

//! The data plane as a process.

use super::http::Http;
use super::{eventually, finally, ports, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// What is logged.
const LOG: &str = "info,pingora_core=warn,tidegate_dataplane_gateway=debug";

/// Lines of the log that a failed test shows.
const SHOWN: usize = 120;

/// `tidegate-dataplane` with a state directory of its own. Killed when dropped; a failed test shows its log.
pub(crate) struct Gateway {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    control_plane: String,
    extra: Vec<String>,
    dir: Arc<tempfile::TempDir>,
    child: Child,
}

impl Gateway {
    /// Starts one on free ports and waits until its admin port answers.
    pub(crate) fn start(control_plane: &str, extra: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let (addr, admin) = (ports::free(), ports::free());
        let extra: Vec<String> = extra.iter().map(ToString::to_string).collect();
        let child =
            command(addr, admin, control_plane, dir.path(), &extra).spawn().expect("the binary starts");
        let mut gateway = Self { addr, admin, control_plane: control_plane.into(), extra, dir, child };
        gateway.up();
        gateway
    }

    /// Starts one that takes over: the same ports, the same state. Waits until it is ready.
    pub(crate) fn successor(&self) -> Self {
        let mut extra = self.extra.clone();
        if !extra.iter().any(|flag| flag == "--takeover") {
            extra.push("--takeover".into());
        }
        let (addr, admin, control_plane) = (self.addr, self.admin, self.control_plane.clone());
        let child =
            command(addr, admin, &control_plane, self.dir.path(), &extra).spawn().expect("the binary starts");
        let mut successor = Self { addr, admin, control_plane, extra, dir: self.dir.clone(), child };
        let ready = format!("\"status\":\"ready\",\"pid\":{}", successor.pid());
        until("the successor is ready", || {
            assert!(successor.child.try_wait().expect("our child").is_none(), "the successor ended");
            successor.admin("/readyz").1.contains(&ready)
        });
        successor
    }

    /// Starts one in a shell that has run `prepare`.
    pub(crate) fn start_after(prepare: &str, control_plane: &str, extra: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let (addr, admin) = (ports::free(), ports::free());
        let extra: Vec<String> = extra.iter().map(ToString::to_string).collect();
        let direct = command(addr, admin, control_plane, dir.path(), &extra);
        let log = || File::options().append(true).open(log_file(dir.path())).expect("a log file");
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("{prepare}; exec \"$0\" \"$@\""))
            .arg(direct.get_program())
            .args(direct.get_args())
            .env("TIDEGATE_LOG", LOG)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("a shell");
        let mut gateway = Self { addr, admin, control_plane: control_plane.into(), extra, dir, child };
        gateway.up();
        gateway
    }

    /// The command line of one that shares nothing with this one but the ports.
    pub(crate) fn rival(&self, dir: &Path) -> Command {
        command(self.addr, ports::free(), &self.control_plane, dir, &[])
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a killed process ends");
    }

    /// Starts again, on the same ports and the same state.
    pub(crate) fn restart(&mut self) {
        self.child = command(self.addr, self.admin, &self.control_plane, self.dir.path(), &self.extra)
            .spawn()
            .expect("the binary starts");
        self.up();
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Stops it in the middle of whatever it does.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, signal).expect("a running process");
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually("the process ends", || self.child.try_wait().expect("our child"))
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_file(self.dir.path())).unwrap_or_default()
    }

    /// A connection to the shared port.
    pub(crate) fn http(&self) -> Http {
        Http::connect(self.addr)
    }

    /// The body of an admin page, with its status.
    pub(crate) fn admin(&self, path: &str) -> (u16, String) {
        self.ask_admin("GET", path, "")
    }

    /// The answer to a POST there; `fields` end their lines.
    pub(crate) fn admin_post(&self, path: &str, fields: &str) -> (u16, String) {
        self.ask_admin("POST", path, &format!("content-length: 0\r\n{fields}"))
    }

    fn ask_admin(&self, method: &str, path: &str, fields: &str) -> (u16, String) {
        let mut http = Http::connect(self.admin);
        let host = self.admin;
        http.send(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{fields}\r\n"));
        let answer = http.response();
        (answer.status, answer.text())
    }

    /// The sum over all samples of a metric whose labels contain `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = self.admin("/metrics");
        let of = |line: &str| {
            let (sample, value) = line.rsplit_once(' ')?;
            let found = sample.split('{').next() == Some(name) && sample.contains(labels);
            found.then(|| value.parse::<f64>().expect("a number"))
        };
        text.lines().filter(|l| !l.starts_with('#')).filter_map(of).sum()
    }

    /// Waits until a metric satisfies a condition.
    #[track_caller]
    pub(crate) fn metric_where(&self, name: &str, labels: &str, holds: impl Fn(f64) -> bool) {
        finally(&format!("{name}{{{labels}}} is as it should"), || {
            let value = self.metric(name, labels);
            if holds(value) { Ok(()) } else { Err(value) }
        });
    }

    fn up(&mut self) {
        let (admin, addr) = (self.admin, self.addr);
        let child = &mut self.child;
        let log = log_file(self.dir.path());
        until("both ports answer", || {
            if let Some(status) = child.try_wait().expect("our child") {
                panic!(
                    "tidegate-dataplane ended: {status}\n{}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            std::net::TcpStream::connect(addr).is_ok() && std::net::TcpStream::connect(admin).is_ok()
        });
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(SHOWN);
            eprintln!("--- log of tidegate-dataplane\n{}\n---", lines[from..].join("\n"));
        }
        // errors: it has ended by itself
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn command(
    addr: SocketAddr,
    admin: SocketAddr,
    control_plane: &str,
    dir: &Path,
    extra: &[String],
) -> Command {
    let log = File::options().create(true).append(true).open(log_file(dir)).expect("a log file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-dataplane"));
    command
        .args(["--listen", &addr.to_string(), "--admin", &admin.to_string()])
        .args(["--control-plane", control_plane, "--node", "node-1"])
        .arg("--state-dir")
        .arg(dir.join("state"))
        .args(extra)
        .env("TIDEGATE_LOG", LOG)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log file"))
        .stderr(log);
    command
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("log")
}

//! The control plane as a process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tidegate_proto::wire::inspect_client::InspectClient;
use tidegate_proto::wire::{StateReply, StateRequest};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::DEADLINE;

/// A running control plane and its directories; killed when dropped.
pub(crate) struct Plane {
    dir: tempfile::TempDir,
    child: Child,
    extra: Vec<String>,
}

/// How a plane is started.
pub(crate) struct PlaneBuilder {
    dir: tempfile::TempDir,
    extra: Vec<String>,
}

impl PlaneBuilder {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("manifests")).expect("a fresh directory");
        Self { dir, extra: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.extra.push(arg.to_owned());
        self
    }

    pub(crate) fn manifest(self, name: &str, text: &str) -> Self {
        write(&self.dir.path().join("manifests"), name, text);
        self
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.dir.path().join("manifests")
    }

    /// Statuses are written to [`Plane::statuses`].
    pub(crate) fn with_statuses(self) -> Self {
        let dir = self.dir.path().join("statuses");
        self.arg(&format!("--status-dir={}", dir.display()))
    }

    pub(crate) fn start(self) -> Plane {
        let child = spawn(self.dir.path(), &self.extra);
        Plane { dir: self.dir, child, extra: self.extra }
    }
}

impl Plane {
    /// One manifest file to start with.
    pub(crate) fn with(text: &str) -> Self {
        PlaneBuilder::new().manifest("a.yaml", text).start()
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.dir.path().join("manifests")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn statuses(&self) -> PathBuf {
        self.dir.path().join("statuses")
    }

    /// The first content of a status that satisfies a condition; absent counts as empty.
    pub(crate) async fn status_where(&self, file: &str, condition: impl Fn(&str) -> bool) -> String {
        let path = self.statuses().join(file);
        let read = || fs::read_to_string(&path).unwrap_or_default();
        let wait = async {
            loop {
                let text = read();
                if condition(&text) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(DEADLINE, wait).await {
            Ok(text) => text,
            Err(_) => panic!("never so: {}\n{}\nlog:\n{}", path.display(), read(), self.log()),
        }
    }

    pub(crate) fn socket(&self) -> String {
        format!("unix:{}", self.dir.path().join("push.sock").display())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Replaces a manifest as editors do: written beside it, renamed over it.
    pub(crate) fn edit(&self, name: &str, text: &str) {
        write(&self.manifests(), name, text);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a killed process ends");
    }

    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.dir.path(), &self.extra);
    }

    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a running process");
        let wait = async {
            loop {
                if let Some(status) = self.child.try_wait().expect("our child") {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, wait).await.expect("the process ends")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The first state that satisfies a condition.
    pub(crate) async fn state_where(
        &self,
        what: &str,
        condition: impl Fn(&StateReply) -> bool,
    ) -> StateReply {
        let mut last = None;
        let watch = async {
            let mut client = InspectClient::new(connect(&self.socket()).await);
            let mut states = client.state(StateRequest { watch: true }).await.expect("a stream").into_inner();
            while let Some(state) = states.message().await.expect("a state") {
                if condition(&state) {
                    return Some(state);
                }
                last = Some(state);
            }
            None
        };
        match timeout(DEADLINE, watch).await {
            Ok(Some(state)) => state,
            _ => panic!("never: {what}\nlast state: {last:#?}\nlog:\n{}", self.log()),
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A channel to a plane that may still be starting.
pub(crate) async fn connect(socket: &str) -> Channel {
    let endpoint = Endpoint::from_shared(socket.to_owned()).expect("a socket address");
    let attempt = async {
        loop {
            match endpoint.connect().await {
                Ok(channel) => return channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(DEADLINE, attempt).await.expect("the control plane listens")
}

fn spawn(dir: &Path, extra: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("a log file");
    Command::new(env!("CARGO_BIN_EXE_tidegate-controlplane"))
        .arg(format!("--source=dir:{}", dir.join("manifests").display()))
        .arg(format!("--push=unix:{}", dir.join("push.sock").display()))
        .arg(format!("--state-dir={}", dir.join("state").display()))
        .args(extra)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the binary starts")
}

fn write(dir: &Path, name: &str, text: &str) {
    let target = dir.join(name);
    fs::create_dir_all(target.parent().expect("below the directory")).expect("a directory");
    let temporary = target.with_extension("tmp");
    fs::write(&temporary, text).expect("a written file");
    fs::rename(temporary, target).expect("a renamed file");
}

//! One namespace, and the control planes that serve it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tidegate_bench_cluster::{Cluster, eventually, shared};

use crate::support::DEADLINE;

/// A namespace of a test, with a system namespace beside it.
pub(crate) struct Stage<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) namespace: String,
    pub(crate) system: String,
}

/// A control plane as a process; killed when dropped.
pub(crate) struct Plane {
    dir: TempDir,
    child: Child,
}

/// The CRDs as they are shipped.
pub(crate) fn crds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

impl Stage<'static> {
    /// On the cluster that the tests share.
    pub(crate) async fn new(name: &str) -> Self {
        Self::on(shared().await.expect("a cluster"), name).await
    }
}

impl<'a> Stage<'a> {
    /// On a cluster of the test's own.
    pub(crate) async fn on(cluster: &'a Cluster, name: &str) -> Self {
        cluster.install_crds(&crds()).await.expect("our CRDs are accepted");
        let namespace = cluster.namespace(name).await.expect("a namespace");
        let system = cluster.namespace(&format!("{name}-system")).await.expect("a namespace");
        Self { cluster, namespace, system }
    }

    /// A control plane of this namespace.
    pub(crate) fn plane(&self) -> Plane {
        self.plane_with(&[])
    }

    pub(crate) fn plane_with(&self, more: &[&str]) -> Plane {
        self.plane_as(&self.cluster.kubeconfig(), more)
    }

    /// A control plane that is the user of a kubeconfig.
    pub(crate) fn plane_as(&self, kubeconfig: &Path, more: &[&str]) -> Plane {
        let mut arguments = vec![
            "--source=kubernetes".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--namespace={}", self.namespace),
            format!("--system-namespace={}", self.system),
        ];
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        Plane::start(arguments)
    }

    /// `kubectl apply` in the namespace.
    pub(crate) async fn apply(&self, manifests: &str) {
        self.kubectl(&["apply", "-f", "-"], manifests).await;
    }

    /// Changes some fields of an object (a merge patch).
    pub(crate) async fn patch(&self, object: &str, patch: &str) {
        self.kubectl(&["patch", object, "--type=merge", "-p", patch], "").await;
    }

    /// `kubectl` in the namespace, which has to succeed.
    pub(crate) async fn kubectl(&self, arguments: &[&str], stdin: &str) -> String {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments);
        self.cluster.kubectl_ok(&all, stdin).await.expect("kubectl succeeds")
    }

    /// An object, if it is there.
    pub(crate) async fn find(&self, object: &str) -> Option<Value> {
        let output = self.cluster.kubectl(&["-n", &self.namespace, "get", object, "-o", "json"], "").await;
        let output = output.expect("kubectl runs");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// The first state of an object (as in `vmcp/demo`) that satisfies a condition.
    pub(crate) async fn until(
        &self,
        plane: &Plane,
        object: &str,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        let look = async || self.find(object).await.filter(|found| condition(found));
        match eventually(what, DEADLINE, look).await {
            Ok(found) => found,
            Err(error) => {
                let last = self.find(object).await.unwrap_or_default();
                panic!("{error}: {object}\nlast: {last:#}\nlog:\n{}", plane.log());
            }
        }
    }

    /// An event of the namespace that has these words.
    pub(crate) async fn until_event(&self, plane: &Plane, words: &str) {
        let events = async || {
            let events = self.kubectl(&["get", "events", "-o", "jsonpath={.items[*].message}"], "").await;
            events.contains(words).then_some(())
        };
        if let Err(error) = eventually(words, DEADLINE, events).await {
            panic!(
                "no event: {error}
log:
{}",
                plane.log()
            );
        }
    }

    /// How many objects of a kind are in a phase.
    pub(crate) async fn count(&self, kind: &str, phase: &str) -> usize {
        let phases = self.kubectl(&["get", kind, "-o", "jsonpath={.items[*].status.phase}"], "").await;
        phases.split_whitespace().filter(|found| *found == phase).count()
    }

    /// The first state of an object with that phase.
    pub(crate) async fn until_phase(&self, plane: &Plane, object: &str, phase: &str) -> Value {
        self.until(plane, object, phase, |found| found.pointer("/status/phase") == Some(&phase.into())).await
    }
}

/// `status/reason` of a condition; empty when there is none.
pub(crate) fn condition(object: &Value, r#type: &str) -> String {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == r#type);
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    found.map_or(String::new(), |c| format!("{}/{}", text(c, "status"), text(c, "reason")))
}

impl Plane {
    fn start(arguments: Vec<String>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let child = spawn(dir.path(), &arguments);
        Self { dir, child }
    }

    /// Everything that it said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until it has said that.
    pub(crate) async fn until_log(&self, words: &str) {
        let said = eventually(words, DEADLINE, async || self.log().contains(words).then_some(())).await;
        said.unwrap_or_else(|error| panic!("{error}\nlog:\n{}", self.log()));
    }

    /// Its files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where nodes connect.
    pub(crate) fn socket(&self) -> String {
        format!("unix:{}", self.dir.path().join("push.sock").display())
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a killed process ends");
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("a running process");
    }

    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        eventually("the process ends", DEADLINE, async || self.child.try_wait().expect("our child"))
            .await
            .expect("the process ends")
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn spawn(dir: &Path, arguments: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("a log file");
    Command::new(env!("CARGO_BIN_EXE_tidegate-controlplane"))
        .arg(format!("--push=unix:{}", dir.join("push.sock").display()))
        .arg(format!("--state-dir={}", dir.join("state").display()))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the binary starts")
}

//! `tidegate` as a user of a cluster: a real API server, kubectl beside it for comparison. Each test has a namespace of its own.

mod describe;
mod get;
mod nowhere;
mod pod;
mod validate;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_bench_cluster::{Cluster, shared};
use tokio::sync::OnceCell;

use crate::processes::{temporary, tidegate, told};

/// Objects of every backend kind, a group and a virtual server, with statuses.
const TEAM: &str = include_str!("fixtures/team.yaml");

/// A namespace, and the home directory of a user without any configuration.
struct Site {
    cluster: &'static Cluster,
    namespace: String,
    home: tempfile::TempDir,
}

impl Site {
    /// Empty, with the CRDs installed.
    async fn new() -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let cluster = shared().await.unwrap();
        let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
        INSTALLED.get_or_init(async || cluster.install_crds(&crds).await.unwrap()).await;
        Self { cluster, namespace: cluster.namespace("cli").await.unwrap(), home: temporary() }
    }

    /// With [`TEAM`] in it.
    async fn with_team() -> Self {
        let site = Self::new().await;
        site.kubectl(&["apply", "-f", "-"], TEAM).await;
        let statuses = serde_json::json!({
            "mcpserver/clock": {"phase": "Ready", "readyReplicas": 2, "url": "http://mcp-clock-proxy.x.svc:8080"},
            "mcpserverentry/far": {"phase": "Valid"},
            "mcpgroup/tools": {"phase": "Ready", "servers": ["clock"], "serverCount": 1, "observedGeneration": 1},
            "virtualmcpserver/demo": {
                "phase": "Degraded", "message": "1 of 2 backends answers", "url": "http://vmcp-demo.x.svc:4483",
                "backendCount": 1, "observedGeneration": 1,
                "discoveredBackends": [
                    {"name": "clock", "url": "http://mcp-clock-proxy.x.svc:8080", "status": "ready",
                        "message": "Healthy", "lastHealthCheck": "2026-05-28T20:26:40Z", "consecutiveFailures": 0},
                    {"name": "far", "url": "https://far.example.com/mcp", "status": "unavailable",
                        "message": "connection failed", "circuitBreakerState": "open", "consecutiveFailures": 4},
                ],
                "conditions": [{"type": "Ready", "status": "True", "reason": "SomeBackendsRoutable",
                    "message": "1 of 2", "lastTransitionTime": "2026-05-28T20:26:40Z"}],
            },
        });
        for (object, status) in statuses.as_object().unwrap() {
            site.patch_status(object, status).await;
        }
        site
    }

    /// In the namespace.
    async fn kubectl(&self, args: &[&str], stdin: &str) -> String {
        let args = [&["-n", &self.namespace], args].concat();
        self.cluster.kubectl_ok(&args, stdin).await.unwrap()
    }

    async fn patch_status(&self, object: &str, status: &serde_json::Value) {
        let patch = serde_json::json!({"status": status}).to_string();
        self.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch], "").await;
    }

    /// As the administrator.
    fn command(&self, args: &[&str]) -> Command {
        self.command_with(&self.cluster.kubeconfig(), args)
    }

    fn command_with(&self, kubeconfig: &Path, args: &[&str]) -> Command {
        let mut command = homeless(self.home.path());
        command.args(args).env("KUBECONFIG", kubeconfig);
        command
    }

    /// Output, error and exit code, with `NS` for the name of the namespace.
    fn run(&self, args: &[&str]) -> (String, String, i32) {
        let (out, err, code) = told(&self.command(args).output().unwrap());
        (self.anonymous(&out), self.anonymous(&err), code)
    }

    /// [`run`](Self::run) in the namespace.
    fn run_here(&self, args: &[&str]) -> (String, String, i32) {
        self.run(&[args, &["-n", &self.namespace]].concat())
    }

    fn anonymous(&self, text: &str) -> String {
        let server = format!("https://{}", self.cluster.address());
        text.replace(&self.namespace, "NS").replace(&server, "SERVER")
    }

    /// A copy of the administrator's kubeconfig with a context `here`, whose namespace is this one.
    async fn kubeconfig_with_context(&self) -> PathBuf {
        let path = self.home.path().join("contexts");
        std::fs::copy(self.cluster.kubeconfig(), &path).unwrap();
        let file = path.to_str().unwrap();
        let namespace = format!("--namespace={}", self.namespace);
        let args = ["--kubeconfig", file, "config", "set-context", "here", "--cluster=test", "--user=test"];
        self.cluster.kubectl_ok(&[&args[..], &[&namespace]].concat(), "").await.unwrap();
        path
    }
}

/// The binary, for a user who has nothing but an empty home directory.
fn homeless(home: &Path) -> Command {
    let mut command = tidegate();
    command.env("HOME", home).env_remove("XDG_STATE_HOME");
    command
}

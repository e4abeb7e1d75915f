//! `tidegate get` and `describe` against a control plane that says what the test wants.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;

use futures_util::Stream;
use tidegate_proto::wire::inspect_server::{Inspect, InspectServer};
use tidegate_proto::wire::{
    BackendHealth, BackendState, BackendView, Condition, DiscoveredBackend, ExposedTool, NodeView,
    StateReply, StateRequest, VirtualServerView,
};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tonic::{Request, Response, Status};

use crate::processes::{Running, temporary, tidegate, told};

/// A control plane on a Unix socket.
struct ControlPlane {
    states: watch::Sender<StateReply>,
    dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

struct Service(watch::Sender<StateReply>);

type States = Pin<Box<dyn Stream<Item = Result<StateReply, Status>> + Send>>;

#[tonic::async_trait]
impl Inspect for Service {
    type StateStream = States;

    async fn state(&self, request: Request<StateRequest>) -> Result<Response<States>, Status> {
        use futures_util::StreamExt as _;
        let states = WatchStream::new(self.0.subscribe()).map(Ok);
        let watch = request.into_inner().watch;
        Ok(Response::new(if watch { Box::pin(states) } else { Box::pin(states.take(1)) }))
    }
}

impl ControlPlane {
    fn start(state: StateReply) -> Self {
        let dir = temporary();
        let states = watch::Sender::new(state);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let service = InspectServer::new(Service(states.clone()));
        let listener = runtime.block_on(async { UnixListener::bind(socket(dir.path())) }).unwrap();
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        Self { states, dir, _runtime: runtime }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = tidegate();
        let address = format!("unix:{}", socket(self.dir.path()).display());
        command.args(args).env("TIDEGATE_CONTROL_PLANE", address);
        command
    }

    fn check(&self, args: &[&str], expected: &str) {
        let (out, err, code) = told(&self.command(args).output().unwrap());
        assert_eq!((out.as_str(), code), (expected.trim_start_matches('\n'), 0), "{args:?}: {err}");
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("c.sock")
}

fn server(name: &str, phase: &str) -> VirtualServerView {
    VirtualServerView {
        namespace: "default".into(),
        name: name.into(),
        phase: phase.into(),
        urls: vec![format!("http://127.0.0.1:4483/default/{name}/mcp")],
        backend_count: 1,
        workloads: vec!["clock".into()],
        backend_ids: vec!["default/mcpserver/clock".into()],
        group: "tools".into(),
        tools: vec![ExposedTool {
            name: "clock_now".into(),
            backend: "clock".into(),
            native_name: "now".into(),
            description: "The time: \"now\"".into(),
        }],
        service_url: format!("http://vmcp-{name}.default.svc.cluster.local:4483"),
        discovered: vec![DiscoveredBackend {
            name: "clock".into(),
            url: "http://127.0.0.1:9101/mcp".into(),
            status: "ready".into(),
            auth_type: "unauthenticated".into(),
            message: "Healthy".into(),
            checked_unix_ms: 1_780_000_000_000,
            breaker: "closed".into(),
            mcp_revision: "2025-11-25".into(),
            ..Default::default()
        }],
        conditions: vec![Condition {
            r#type: "Ready".into(),
            status: "True".into(),
            reason: "AllBackendsRoutable".into(),
            message: "All 1 backends are healthy".into(),
            last_transition_unix_ms: 1_780_000_000_000,
        }],
        ..Default::default()
    }
}

fn state() -> StateReply {
    let health = BackendHealth::Healthy.into();
    StateReply {
        version: "ab".repeat(32),
        virtual_servers: vec![server("demo", "Ready")],
        backends: vec![BackendView {
            id: "default/mcpserver/clock".into(),
            namespace: "default".into(),
            name: "clock".into(),
            kind: "MCPServer".into(),
            url: "http://127.0.0.1:9101/mcp".into(),
            transport: "stdio".into(),
            group: "tools".into(),
            state: Some(BackendState { health, tools: 1, ..Default::default() }),
            published: true,
            ..Default::default()
        }],
        nodes: vec![NodeView {
            name: "laptop".into(),
            connected: true,
            version: "ab".repeat(32),
            current: true,
            listen: "http://127.0.0.1:4483".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn lists_have_the_columns_of_kubectl() {
    let control_plane = ControlPlane::start(state());
    control_plane.check(
        &["get", "vmcp"],
        "
NAME   PHASE   URL                                      BACKENDS   TOOLS   READY
demo   Ready   http://127.0.0.1:4483/default/demo/mcp   1/1        1       True
",
    );
    control_plane.check(
        &["get", "be", "-A"],
        "
NAMESPACE   NAME    KIND        STATE   TRANSPORT   TOOLS   URL
default     clock   MCPServer   ready   stdio       1       http://127.0.0.1:9101/mcp
",
    );
    control_plane.check(
        &["get", "nodes"],
        "
NAME     STATUS      CURRENT   VERSION        LISTEN
laptop   Connected   True      abababababab   http://127.0.0.1:4483
",
    );
    control_plane.check(&["get", "virtualservers", "-o", "name"], "virtualserver/demo\n");
}

#[test]
fn programs_get_json_and_yaml() {
    let control_plane = ControlPlane::start(state());
    let tool = r#"{
  "items": [
    {
      "namespace": "default",
      "virtualServer": "demo",
      "name": "clock_now",
      "backend": "clock",
      "nativeName": "now",
      "description": "The time: \"now\""
    }
  ]
}
"#;
    control_plane.check(&["get", "tools", "-o", "json"], tool);
    control_plane.check(
        &["get", "tools", "clock_now", "-o", "yaml"],
        "
namespace: default
virtualServer: demo
name: clock_now
backend: clock
nativeName: now
description: \"The time: \\\"now\\\"\"
",
    );
    control_plane.check(&["get", "vmcp", "-n", "team", "-o", "json"], "{\n  \"items\": []\n}\n");
}

#[test]
fn programs_get_the_whole_status_of_a_virtual_server() {
    let mut state = state();
    state.virtual_servers[0].tools.clear();
    ControlPlane::start(state).check(
        &["get", "vmcp", "demo", "-o", "yaml"],
        "
namespace: default
name: demo
phase: Ready
message: \"\"
urls:
- http://127.0.0.1:4483/default/demo/mcp
group: tools
url: http://vmcp-demo.default.svc.cluster.local:4483
backendCount: 1
backends:
- workload: clock
  id: default/mcpserver/clock
  url: http://127.0.0.1:9101/mcp
  status: ready
  authType: unauthenticated
  message: Healthy
  lastHealthCheck: \"2026-05-28T20:26:40Z\"
  circuitBreakerState: closed
  consecutiveFailures: 0
  mcpRevision: \"2025-11-25\"
conditions:
- type: Ready
  status: \"True\"
  reason: AllBackendsRoutable
  message: All 1 backends are healthy
  lastTransitionTime: \"2026-05-28T20:26:40Z\"
tools: []
conflicts: []
",
    );
}

#[test]
fn descriptions_show_backends_and_tools() {
    let control_plane = ControlPlane::start(state());
    let (out, _, code) = told(&control_plane.command(&["describe", "vmcp", "demo"]).output().unwrap());
    assert_eq!(code, 0);
    for text in ["Name:       demo", "Backends (1):", "clock_now", "Conditions (1):", "AllBackendsRoutable"] {
        assert!(out.contains(text), "{out}");
    }
}

#[test]
fn a_missing_name_is_exit_code_1() {
    let control_plane = ControlPlane::start(state());
    let (out, err, code) = told(&control_plane.command(&["get", "vmcp", "other"]).output().unwrap());
    assert_eq!((out.as_str(), code), ("", 1));
    let expected = "error: virtualserver \"other\" not found in namespace \"default\"\n  \
                    help: `tidegate get virtualservers -A` lists those there are\n";
    assert_eq!(err, expected);
}

#[test]
fn a_watch_prints_what_changes() {
    let control_plane = ControlPlane::start(state());
    let mut watch = Running::start(control_plane.command(&["get", "vmcp", "-w"]));
    watch.expect("demo   Ready");
    control_plane.states.send_modify(|state| state.virtual_servers[0].phase = "Degraded".into());
    watch.expect("demo   Degraded");
    control_plane.states.send_modify(|state| state.virtual_servers.push(server("second", "Pending")));
    watch.expect("second   Pending");
    control_plane.states.send_modify(|state| drop(state.virtual_servers.remove(0)));
    watch.expect("virtualserver demo was removed");
    assert_eq!(watch.output().matches("NAME").count(), 1, "{}", watch.output());
}

#[test]
fn without_a_control_plane_the_error_says_what_to_do() {
    let dir = temporary();
    let check = |args: &[&str], place: &str| {
        let output =
            tidegate().args(args).env("XDG_STATE_HOME", dir.path()).env("HOME", dir.path()).output().unwrap();
        let (out, err, code) = told(&output);
        assert_eq!((out.as_str(), code), ("", 1), "{err}");
        assert!(err.starts_with(&format!("error: no control plane answers at {place}")), "{err}");
        assert!(err.contains("help: start one with `tidegate up -f DIR`"), "{err}");
    };
    let default = format!("unix:{}/tidegate/control.sock", dir.path().display());
    check(&["get", "vmcp"], &default);
    check(&["describe", "node", "x", "--control-plane", "http://127.0.0.1:1"], "http://127.0.0.1:1");
}

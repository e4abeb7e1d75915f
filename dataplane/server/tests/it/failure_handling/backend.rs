//! A backend that is a process: it can be killed, frozen and started again on its port.

use crate::support::http::{Answer, Http};
use crate::support::process::{Program, workspace_binary};
use crate::support::{eventually, ports};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use tidegate_bench_mock::Stats;

/// `mock-mcp` on a port that stays its own.
pub(super) struct Backend {
    pub(super) addr: SocketAddr,
    name: String,
    /// None while it is down.
    program: Option<Program>,
}

impl Backend {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A running one.
    pub(super) fn start(name: &str) -> Self {
        let mut backend = Self::down(name);
        backend.up();
        backend
    }

    /// One that does not run yet.
    pub(super) fn down(name: &str) -> Self {
        Self { addr: ports::free(), name: name.into(), program: None }
    }

    /// Starts it, as after a crash: it knows none of its sessions.
    pub(super) fn up(&mut self) {
        let mut command = Command::new(workspace_binary("mock-mcp"));
        command.args(["--listen", &self.addr.to_string(), "--name", &self.name, "--get-stream"]);
        self.program = Some(Program::listening(&mut command, self.addr));
    }

    /// kill -9
    pub(super) fn kill(&mut self) {
        self.program = None;
    }

    /// SIGSTOP: its kernel still accepts connections, it does nothing.
    pub(super) fn freeze(&self) {
        self.running().freeze();
    }

    /// SIGCONT
    pub(super) fn thaw(&self) {
        self.running().thaw();
    }

    /// Changes how it behaves; see `tidegate_bench_mock::Control`.
    #[track_caller]
    pub(super) fn script(&self, control: &Value) {
        let body = control.to_string();
        let answer = self.ask("POST", "/_control", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Has its answers go wrong by these rules; none ends it.
    #[track_caller]
    pub(super) fn fault(&self, rules: &Value) {
        self.script(&serde_json::json!({"faults": rules}));
    }

    /// Closes all its connections.
    #[track_caller]
    pub(super) fn close_connections(&self) {
        // that of this request too
        let mut http = Http::connect(self.addr);
        http.send(request("POST", "/_control", r#"{"close_connections":true}"#));
        http.into_rest();
    }

    /// What it saw.
    #[track_caller]
    pub(super) fn stats(&self) -> Stats {
        serde_json::from_value(self.ask("GET", "/_stats", "").json()).expect("stats")
    }

    /// Waits until it has seen something.
    #[track_caller]
    pub(super) fn seen(&self, what: &str, holds: impl Fn(&Stats) -> bool) -> Stats {
        eventually(&format!("{} sees {what}", self.name), || Some(self.stats()).filter(&holds))
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut http = Http::connect(self.addr);
        http.send(request(method, path, body));
        http.response()
    }

    fn running(&self) -> &Program {
        self.program.as_ref().expect("it runs")
    }
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

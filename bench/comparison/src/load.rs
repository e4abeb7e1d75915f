//! The load generator, run and its report read.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::binaries::Binaries;
use crate::scenario::{Scenario, Wire};
use crate::target::Aim;

/// What the load generator reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) per_second: f64,
    pub(crate) latency_us: Latency,
    pub(crate) bytes_per_request: f64,
    pub(crate) series: serde_json::Value,
    pub(crate) cpu_us_per_request: std::collections::BTreeMap<u32, f64>,
    pub(crate) examples: std::collections::BTreeMap<String, String>,
}

/// In microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) percentiles: Vec<(f64, f64)>,
}

/// How long, or how many.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    Time { warmup: Duration, measured: Duration },
    Requests(u64),
}

/// The command of a scenario's load on a target.
pub(crate) fn command(binaries: &Binaries, scenario: &Scenario, aim: &Aim) -> Command {
    let mut command = Command::new(binaries.ours("tidegate-load"));
    command.args(["--method", scenario.method, "--json", "--allow-failures", "--same"]);
    command.args(["--timeout", "60s", "--wait", "20s"]);
    command.args(["--args", &scenario.arguments, "--sessions", &scenario.sessions.to_string()]);
    command.args(["--url", &aim.url]);
    for tool in &aim.tools {
        command.args(["--tool", tool]);
    }
    if scenario.progress {
        command.args(["--progress", "--sse"]);
    }
    match scenario.wire {
        Wire::H1 => {}
        Wire::H2 => drop(command.arg("--h2")),
        Wire::Tls => drop(command.arg("--ca").arg(&aim.ca)),
    }
    command
}

/// Runs it and reads the report; `pids`: whose CPU time is measured.
pub(crate) fn run(mut command: Command, extent: Extent, pids: &[u32]) -> anyhow::Result<Report> {
    match extent {
        Extent::Time { warmup, measured } => {
            command.arg("--warmup").arg(format!("{}ms", warmup.as_millis()));
            command.arg("--duration").arg(format!("{}ms", measured.as_millis()))
        }
        Extent::Requests(n) => command.arg("--requests").arg(n.to_string()),
    };
    for pid in pids {
        command.args(["--cpu-of", &pid.to_string()]);
    }
    let output = command.stdin(Stdio::null()).output().context("tidegate-load")?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("the report of tidegate-load")
}

/// Starts one that holds idle sessions until its standard input ends.
pub(crate) fn hold(binaries: &Binaries, aim: &Aim, sessions: usize, streams: bool) -> anyhow::Result<Child> {
    let mut command = Command::new(binaries.ours("tidegate-load"));
    command.args(["--hold", "--url", &aim.url, "--sessions", &sessions.to_string(), "--timeout", "60s"]);
    if streams {
        command.arg("--streams");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("tidegate-load")
}

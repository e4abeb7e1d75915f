//! The load generator, run and its report read.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::binaries::Binaries;
use crate::scenario::{Scenario, Wire};
use crate::target::Aim;

/// How long ten thousand sessions may take to be opened: some hundred times longer than they do.
const OPENING: Duration = Duration::from_secs(300);

/// What the load generator reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) per_second: f64,
    pub(crate) latency_us: Latency,
    pub(crate) bytes_per_request: f64,
    pub(crate) series: serde_json::Value,
    pub(crate) cpu_us_per_request: BTreeMap<u32, f64>,
    pub(crate) kernel_us_per_request: BTreeMap<u32, f64>,
    pub(crate) examples: BTreeMap<String, String>,
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
    for url in &aim.urls {
        command.args(["--url", url]);
    }
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

/// One that holds idle sessions. It ends when this is dropped.
pub(crate) struct Holder {
    child: Child,
    said: Receiver<std::io::Result<String>>,
}

/// What it holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Held {
    pub(crate) sessions: u64,
    pub(crate) streams: u64,
    /// What could not be opened or did not stay, and the first of these.
    pub(crate) failed: u64,
    pub(crate) example: Option<String>,
}

impl Holder {
    pub(crate) fn start(
        binaries: &Binaries,
        aim: &Aim,
        sessions: usize,
        streams: bool,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(binaries.ours("tidegate-load"));
        command.args(["--hold", "--sessions", &sessions.to_string(), "--timeout", "60s"]);
        for url in &aim.urls {
            command.args(["--url", url]);
        }
        if streams {
            command.arg("--streams");
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("tidegate-load")?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        // two lines in all: when all are open, and at the end
        let (say, said) = sync_channel(2);
        std::thread::spawn(move || lines.take(2).try_for_each(|line| say.send(line)));
        Ok(Self { child, said })
    }

    /// Waits until all are open that can be opened.
    pub(crate) fn opened(&self) -> anyhow::Result<Held> {
        self.next().context("while sessions were opened")
    }

    /// Lets them go; what was still there.
    pub(crate) fn release(mut self) -> anyhow::Result<Held> {
        drop(self.child.stdin.take());
        self.next().context("while sessions were held")
    }

    fn next(&self) -> anyhow::Result<Held> {
        match self.said.recv_timeout(OPENING) {
            Ok(line) => serde_json::from_str(&line?).context("what tidegate-load holds"),
            Err(RecvTimeoutError::Timeout) => bail!("nothing from tidegate-load within {OPENING:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("tidegate-load ended, see what it said above"),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // errors: it has ended meanwhile
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

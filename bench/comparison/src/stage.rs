//! What a scenario is played on: backends, a certificate, and the targets that run before them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;

use crate::load::{self, Extent};
use crate::plan::Plan;
use crate::process::{Process, until};
use crate::scenario::{Backends, Scenario};
use crate::target::{Certificate, Name, Site, Target};

const READY: Duration = Duration::from_secs(30);
/// The tools that calls need, where a scenario asks for no number.
const CALLED: &str = "echo,big,progress";
/// Bytes of the definition of a tool, where a scenario asks for a number.
const TOOL_BYTES: &str = "300";

/// Backends that run.
pub(crate) struct Stage<'a> {
    plan: &'a Plan,
    backends: Backends,
    /// The one of all that know only one; it has all the tools.
    single: String,
    many: Vec<String>,
    pub(crate) certificate: Certificate,
    descriptors: u64,
    starts: std::cell::Cell<usize>,
    _mocks: Vec<Process>,
    // last, so that it is there until the processes have ended
    pub(crate) folder: TempDir,
}

impl<'a> Stage<'a> {
    pub(crate) fn set(plan: &'a Plan, backends: Backends, descriptors: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = certificate(folder.path())?;
        let each = |servers: usize| backends.tools.checked_div(servers).unwrap_or(0);
        let at = if backends.tools == 0 { plan.backend } else { SocketAddr::from(([127, 0, 0, 1], 0)) };
        let (single, mut addresses) = mocks(plan, folder.path(), "single", 1, each(1), at)?;
        let mut processes = vec![single];
        let single = addresses.pop().context("a mock without an address")?;
        let mut many = vec![single.clone()];
        if backends.count > 1 {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let (process, found) =
                mocks(plan, folder.path(), "many", backends.count, each(backends.count), any)?;
            processes.push(process);
            many = found;
        }
        let starts = std::cell::Cell::new(0);
        Ok(Self { plan, backends, single, many, certificate, descriptors, starts, _mocks: processes, folder })
    }

    /// Starts a target; `before`: what comes before its command.
    pub(crate) fn start(&self, name: Name, before: &[OsString]) -> anyhow::Result<Target> {
        let start = self.starts.replace(self.starts.get() + 1);
        let called = CALLED.split(',').count() * self.backends.count;
        Target::start(
            name,
            &Site {
                binaries: &self.plan.binaries,
                folder: self.folder.path().join(format!("{}-{start}", name.as_str())),
                single: &self.single,
                backends: &self.many,
                certificate: &self.certificate,
                tools: if self.backends.tools == 0 { called } else { self.backends.tools },
                virtual_servers: self.backends.virtual_servers,
                descriptors: self.descriptors,
                before,
            },
        )
    }

    /// Waits until a target answers a request of this scenario rightly.
    pub(crate) fn ready(&self, target: &mut Target, scenario: &Scenario) -> anyhow::Result<()> {
        let one = Scenario { sessions: 1, ..scenario.clone() };
        let mut said = String::new();
        let answered = until("a right answer", READY, || {
            for process in &mut target.processes {
                process.said()?;
            }
            let aim = target.aim(scenario, &self.certificate);
            let report = load::run(load::command(&self.plan.binaries, &one, &aim), Extent::Requests(1), &[])?;
            said = report.examples.into_values().next().unwrap_or_default();
            Ok((report.failed == 0 && report.requests > 0).then_some(()))
        });
        answered.map_err(|error| anyhow::anyhow!("{error}; {said}"))
    }

    /// The backend whose calls can be slow.
    pub(crate) fn slow(&self) -> &str {
        &self.many[0]
    }

    /// A backend that can come and go.
    pub(crate) fn single(&self) -> &str {
        &self.single
    }
}

/// Starts backends in one process and reads where they listen.
fn mocks(
    plan: &Plan,
    folder: &Path,
    name: &str,
    count: usize,
    tools: usize,
    at: SocketAddr,
) -> anyhow::Result<(Process, Vec<String>)> {
    let mut command = Command::new(plan.binaries.ours("mock-mcp"));
    command.args(["--name", name, "--get-stream", "--listen", &at.to_string()]);
    if count > 1 {
        command.args(["--count", &count.to_string()]);
    }
    if tools == 0 {
        command.args(["--tools", CALLED]);
    } else {
        // at least one is named, or all built-in ones would be there
        command.args(["--tools", "echo", "--tool-bytes", TOOL_BYTES]);
        command.args(["--tool-count", &(tools - 1).to_string()]);
    }
    let mut process = Process::start(folder, name, &mut command)?;
    let addresses = until("the backends listen", READY, || {
        let said = process.said()?;
        let found: Vec<_> =
            said.lines().filter_map(|l| l.strip_prefix("listening on ")).map(str::to_owned).collect();
        Ok((found.len() == count).then_some(found))
    })?;
    Ok((process, addresses))
}

fn certificate(folder: &Path) -> anyhow::Result<Certificate> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let files = Certificate {
        chain: folder.join("chain.pem"),
        key: folder.join("key.pem"),
        both: folder.join("both.pem"),
    };
    std::fs::write(&files.chain, &chain)?;
    std::fs::write(&files.key, &key)?;
    std::fs::write(&files.both, chain + &key)?;
    Ok(files)
}

//! All of it as processes: manifests, a control plane that reads them and writes statuses, a gateway, backends.

use super::backend::Backend;
use crate::support::mcp::Client;
use crate::support::process::{Program, workspace_binary};
use crate::support::{finally, ports};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names are looked up in the file NAMES only, which only this process sees as the system's.
const OWN_NAMES: &str =
    "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/nsswitch.conf && shift 2 && exec \"$@\"";

/// One virtual server `default/demo` over backends of the group `tools`.
pub(super) struct Stage {
    pub(super) gateway: SocketAddr,
    // ended in this order
    _data_plane: Program,
    _control_plane: Program,
    dir: tempfile::TempDir,
}

/// The status of the virtual server, as it is written to a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) fields: BTreeMap<String, String>,
    /// By name.
    pub(super) backends: BTreeMap<String, BTreeMap<String, String>>,
}

impl Stage {
    /// Serves `demo` with these annotations and this `spec.config.operational`, both in YAML's flow form.
    /// `known` are the names that mean 127.0.0.1.
    pub(super) fn start(
        backends: &[(&str, &str)],
        known: &[&str],
        annotations: &str,
        operational: &str,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let manifests = dir.path().join("manifests");
        std::fs::create_dir(&manifests).expect("a directory");
        let api = "apiVersion: toolhive.stacklok.dev/v1beta1";
        let mut all = format!("{api}\nkind: MCPGroup\nmetadata: {{name: tools}}\n");
        for (name, endpoint) in backends {
            all += &format!(
                "---\n{api}\nkind: MCPServer\nmetadata:\n  name: {name}\n  annotations: {{tidegate.dev/endpoint: \"{endpoint}\"}}\n\
                 spec: {{groupRef: {{name: tools}}, image: mock, transport: streamable-http}}\n"
            );
        }
        all += &format!(
            "---\n{api}\nkind: VirtualMCPServer\nmetadata:\n  name: demo\n  annotations: {annotations}\n\
             spec:\n  groupRef: {{name: tools}}\n  incomingAuth: {{type: anonymous}}\n  config:\n    operational: {operational}\n"
        );
        std::fs::write(manifests.join("all.yaml"), all).expect("a file");
        names(dir.path(), known);
        let (push, gateway) = (ports::free(), ports::free());
        let control_plane = Program::listening(&mut control_plane(dir.path(), push), push);
        let data_plane = Program::listening(&mut data_plane(dir.path(), push, gateway), gateway);
        Self { gateway, _data_plane: data_plane, _control_plane: control_plane, dir }
    }

    /// The same over backends by address.
    pub(super) fn over(backends: &[&Backend], annotations: &str, operational: &str) -> Self {
        let endpoints: Vec<_> = backends.iter().map(|b| (b.name(), b.addr.to_string())).collect();
        let endpoints: Vec<_> = endpoints.iter().map(|(name, addr)| (*name, addr.as_str())).collect();
        Self::start(&endpoints, &[], annotations, operational)
    }

    /// Has these names mean 127.0.0.1, and no others mean anything.
    pub(super) fn names(&self, names_: &[&str]) {
        names(self.dir.path(), names_);
    }

    /// The status that is in the file now.
    pub(super) fn status(&self) -> Status {
        let file = self.dir.path().join("status/default/VirtualMCPServer/demo.yaml");
        Status::parse(&std::fs::read_to_string(file).unwrap_or_default())
    }

    /// Waits until the status satisfies a condition.
    #[track_caller]
    pub(super) fn says(&self, what: &str, mut holds: impl FnMut(&Status) -> bool) -> Status {
        finally(what, || {
            let status = self.status();
            if holds(&status) { Ok(status) } else { Err(status) }
        })
    }

    /// Waits for a phase.
    #[track_caller]
    pub(super) fn phase(&self, phase: &str) -> Status {
        self.says(&format!("phase {phase}"), |s| s.field("phase") == phase)
    }

    /// A session with `demo`.
    #[track_caller]
    pub(super) fn client(&self) -> Client {
        Client::open(self.gateway, "/mcp")
    }
}

impl Status {
    /// A field of the status itself; empty when it is absent.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// A field of a backend; empty when it is absent.
    pub(super) fn backend(&self, workload: &str, field: &str) -> &str {
        self.backends.get(workload).and_then(|b| b.get(field)).map_or("", String::as_str)
    }

    /// Reads what the control plane writes: one field a line, lists of maps without nesting.
    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        let (mut list, mut of) = (String::new(), String::new());
        for line in text.lines().skip_while(|l| *l != "status:").skip(1) {
            let (indent, item) = (line.len() - line.trim_start().len(), line.trim_start().strip_prefix("- "));
            let Some((name, value)) = item.unwrap_or(line.trim_start()).split_once(':') else { continue };
            let value = value.trim().trim_matches('"').to_owned();
            match (indent, item) {
                (2, None) if value.is_empty() => list = name.into(),
                (2, None) => drop(status.fields.insert(name.into(), value)),
                _ if list != "discoveredBackends" => {}
                (_, item) => {
                    if item.is_some() {
                        of.clone_from(&value);
                    }
                    status.backends.entry(of.clone()).or_default().insert(name.into(), value);
                }
            }
        }
        status
    }
}

fn control_plane(dir: &Path, push: SocketAddr) -> Command {
    let mut command = Command::new(workspace_binary("tidegate-controlplane"));
    command.args(["--source", &format!("dir:{}", dir.join("manifests").display())]);
    command.args(["--push", &push.to_string(), "--status-dir"]).arg(dir.join("status"));
    command.arg("--state-dir").arg(dir.join("controlplane"));
    command
}

fn data_plane(dir: &Path, push: SocketAddr, listen: SocketAddr) -> Command {
    let mut command = Command::new("unshare");
    // who is root may mount; others may within a user namespace
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", OWN_NAMES, "sh"]).args(files(dir));
    command.arg(workspace_binary("tidegate-dataplane"));
    command.args(["--listen", &listen.to_string(), "--admin", &ports::free().to_string()]);
    command.args(["--control-plane", &format!("http://{push}"), "--node", "node-1", "--state-dir"]);
    command.arg(dir.join("dataplane"));
    command
}

/// What the gateway has for `/etc/hosts` and for `/etc/nsswitch.conf`.
fn files(dir: &Path) -> [PathBuf; 2] {
    [dir.join("hosts"), dir.join("nsswitch")]
}

fn names(dir: &Path, names: &[&str]) {
    let [hosts, switch] = files(dir);
    let lines: Vec<String> = ["localhost"].iter().chain(names).map(|n| format!("127.0.0.1 {n}\n")).collect();
    // in place: the file is mounted
    std::fs::write(hosts, lines.concat()).expect("a file");
    std::fs::write(switch, "hosts: files\n").expect("a file");
}

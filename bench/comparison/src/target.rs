//! The targets: who they are, how each is started, where clients find it.

mod blind;
mod fastmcp;
mod gateway;

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::Serialize;

use crate::binaries::Binaries;
use crate::manifests::{FIRST, namespace};
use crate::process::{Process, tree};
use crate::scenario::{Beside, Scenario, Wire};

/// A target that this program starts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    /// The backend itself
    Direct,
    /// The gateway with one thread, and its control plane
    Tidegate,
    /// A blind proxy with one worker
    Nginx,
    /// A blind proxy with one thread
    Haproxy,
    /// Pingora's own HTTP proxy with one thread, also blind
    Pingora,
    /// The proxy of FastMCP, an MCP gateway in Python
    Fastmcp,
}

/// A target of the user, which runs already.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    name: String,
    url: String,
    pid: Option<u32>,
    prefix: String,
}

/// What starting a target needs to know.
pub(crate) struct Site<'a> {
    pub(crate) binaries: &'a Binaries,
    /// Of this one start alone.
    pub(crate) folder: PathBuf,
    /// The one backend of targets that know only one.
    pub(crate) single: &'a str,
    pub(crate) backends: &'a [String],
    pub(crate) certificate: &'a Certificate,
    /// How many tools there are, in all.
    pub(crate) tools: usize,
    /// Of the gateway, each over all the backends.
    pub(crate) virtual_servers: usize,
    pub(crate) descriptors: u64,
    /// What comes before the command of what is measured.
    pub(crate) before: &'a [OsString],
}

/// A certificate for loopback that vouches for itself, as files.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one.
    pub(crate) both: PathBuf,
}

/// A target that runs.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) known: Option<Name>,
    /// Those that are measured first.
    pub(crate) processes: Vec<Process>,
    given_pid: Option<u32>,
    h1: String,
    h2: Option<String>,
    tls: Option<String>,
    /// For streams without end; as `h1` where there is no other.
    pub(crate) streams: Option<String>,
    tools: Tools,
    /// Where the gateway's manifests are.
    pub(crate) manifests: Option<PathBuf>,
}

/// How a target names the tools of its backends.
enum Tools {
    AsTheyAre,
    Behind(String),
    /// Each backend's behind the name of the backend.
    OfEach(usize),
}

/// Where a load goes.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    /// Used in turn by the sessions.
    pub(crate) urls: Vec<String>,
    pub(crate) tools: Vec<String>,
    pub(crate) ca: PathBuf,
}

impl Name {
    pub(crate) const ALL: [Name; 6] =
        [Name::Direct, Name::Tidegate, Name::Nginx, Name::Haproxy, Name::Pingora, Name::Fastmcp];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tidegate => "tidegate",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Pingora => "pingora",
            Self::Fastmcp => "fastmcp",
        }
    }
}

impl FromStr for Given {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, rest) = text.split_once('=').context("expected NAME=URL")?;
        let mut parts = rest.split(',');
        let url = parts.next().filter(|url| url.starts_with("http://")).context("expected an http:// URL")?;
        let mut given = Self { name: name.into(), url: url.into(), pid: None, prefix: String::new() };
        if name.is_empty() || Name::ALL.iter().any(|known| known.as_str() == name) {
            bail!("the name {name:?} is empty or taken");
        }
        for part in parts {
            match part.split_once('=') {
                Some(("pid", pid)) => given.pid = Some(pid.parse().context("pid")?),
                Some(("prefix", prefix)) => given.prefix = prefix.into(),
                _ => bail!("{part:?} is neither pid=N nor prefix=TEXT"),
            }
        }
        Ok(given)
    }
}

impl Target {
    /// Starts one; it may not be ready yet.
    pub(crate) fn start(name: Name, site: &Site<'_>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&site.folder)?;
        let started = match name {
            Name::Direct => blind::direct(site),
            Name::Tidegate => gateway::start(site),
            Name::Nginx => blind::nginx(site),
            Name::Haproxy => blind::haproxy(site),
            Name::Pingora => blind::pingora(site),
            Name::Fastmcp => fastmcp::start(site),
        };
        started.with_context(|| format!("starting {}", name.as_str()))
    }

    /// One of the user's.
    pub(crate) fn given(given: &Given) -> Self {
        let mut target = Self::at(None, given.url.clone(), Vec::new());
        target.name.clone_from(&given.name);
        target.given_pid = given.pid;
        target.tools = Tools::Behind(given.prefix.clone());
        target
    }

    fn at(known: Option<Name>, h1: String, processes: Vec<Process>) -> Self {
        let name = known.map_or(String::new(), |known| known.as_str().to_owned());
        let (h2, tls, streams, manifests, given_pid) = (None, None, None, None, None);
        Self { name, known, processes, given_pid, h1, h2, tls, streams, tools: Tools::AsTheyAre, manifests }
    }

    /// Why a scenario goes without it, if it does.
    pub(crate) fn left_out(&self, scenario: &Scenario) -> Option<&'static str> {
        match self.known {
            Some(name) => scenario.leaves_out(name),
            None if scenario.backends.count > 1 || scenario.wire != Wire::H1 => {
                Some("is given for one backend")
            }
            None if scenario.is_idle() || scenario.beside != Beside::Nothing => {
                Some("is not started by this")
            }
            None if scenario.backends.tools > 0 => Some("is given for one backend"),
            None => None,
        }
    }

    /// Where a scenario's load goes.
    pub(crate) fn aim(&self, scenario: &Scenario, certificate: &Certificate) -> Aim {
        let url = match scenario.wire {
            _ if scenario.beside == Beside::IdleStreams => self.streams.as_ref(),
            Wire::H1 => None,
            Wire::H2 => self.h2.as_ref(),
            Wire::Tls => self.tls.as_ref(),
        };
        // the first of the backends is the slow one, where there is one
        let first = usize::from(scenario.beside == Beside::SlowBackend);
        let tools = match &self.tools {
            Tools::AsTheyAre => vec![scenario.tool.to_owned()],
            Tools::Behind(prefix) => vec![format!("{prefix}{}", scenario.tool)],
            Tools::OfEach(count) => (first..*count).map(|n| format!("b{n}_{}", scenario.tool)).collect(),
        };
        let url = url.unwrap_or(&self.h1);
        let of = |n| url.replace(&format!("/{FIRST}/"), &format!("/{}/", namespace(n)));
        let urls = (0..scenario.virtual_servers_called.unwrap_or(1)).map(of).collect();
        Aim { urls, tools, ca: certificate.chain.clone() }
    }

    /// Where calls of the slow backend go, of a target that has one.
    pub(crate) fn aim_slow(&self, scenario: &Scenario, certificate: &Certificate) -> Option<Aim> {
        let slow = || Aim { tools: vec!["b0_echo".into()], ..self.aim(scenario, certificate) };
        matches!(self.tools, Tools::OfEach(n) if n > 1).then(slow)
    }

    /// Of these the ones that clients speak to: the control plane is none.
    pub(crate) fn serving(&self) -> Vec<u32> {
        if self.known != Some(Name::Tidegate) {
            return self.pids();
        }
        self.processes.first().map(Process::pid).into_iter().flat_map(tree).collect()
    }

    /// All processes whose cost is the target's; none of the direct one, which is the backend.
    pub(crate) fn pids(&self) -> Vec<u32> {
        if self.known == Some(Name::Direct) {
            return Vec::new();
        }
        let started = self.processes.iter().map(Process::pid);
        started.chain(self.given_pid).flat_map(tree).collect()
    }
}

impl Site<'_> {
    /// A command behind what comes before it.
    fn command(&self, program: &Path) -> Command {
        match self.before.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        }
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// An address on which nothing listens at the moment.
fn free_address() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_target_is_a_name_a_url_and_options() {
        let given: Given = "mine=http://127.0.0.1:80/mcp,pid=12,prefix=a_".parse().unwrap();
        assert_eq!((given.name.as_str(), given.pid, given.prefix.as_str()), ("mine", Some(12), "a_"));
        assert_eq!(given.url, "http://127.0.0.1:80/mcp");
        for bad in
            ["mine", "mine=127.0.0.1", "=http://a", "nginx=http://a", "a=http://b,pid=x", "a=http://b,c"]
        {
            assert!(bad.parse::<Given>().is_err(), "{bad}");
        }
    }
}

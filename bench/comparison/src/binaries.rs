//! Where the programs are: ours beside this one, the others where the system and the setup put them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::target::Name;

/// The folder of our own programs, and who of the others is installed.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    folder: PathBuf,
}

const OURS: [&str; 4] = ["tidegate-controlplane", "tidegate-dataplane", "mock-mcp", "tidegate-load"];

impl Binaries {
    /// Those that were built with this one.
    pub(crate) fn beside_this() -> anyhow::Result<Self> {
        let this = env::current_exe().context("where this program is")?;
        let folder = this.parent().context("a program without a folder")?.to_path_buf();
        let missing: Vec<_> = OURS.iter().filter(|name| !folder.join(name).exists()).collect();
        ensure!(
            missing.is_empty(),
            "{missing:?} not in {}: cargo build --workspace --bins",
            folder.display()
        );
        Ok(Self { folder })
    }

    /// None at all, for what only reads a plan.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self { folder: PathBuf::new() }
    }

    /// One of ours.
    pub(crate) fn ours(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Why a target cannot be started, if it cannot.
    pub(crate) fn lacks(&self, target: Name) -> Option<String> {
        let not = |missing: Option<PathBuf>, what: &str| missing.is_none().then(|| what.to_owned());
        match target {
            Name::Direct | Name::Tidegate => None,
            Name::Pingora => not(Some(self.pingora()).filter(|p| p.exists()), "blind-pingora was not built"),
            Name::Nginx => not(self.nginx(), "nginx is not installed: scripts/setup-bench"),
            Name::Haproxy => not(self.haproxy(), "haproxy is not installed: scripts/setup-bench"),
            Name::Fastmcp => not(self.fastmcp(), "FastMCP is not installed: scripts/setup-bench"),
        }
    }

    pub(crate) fn pingora(&self) -> PathBuf {
        self.ours("blind-pingora")
    }

    pub(crate) fn nginx(&self) -> Option<PathBuf> {
        installed("nginx")
    }

    pub(crate) fn haproxy(&self) -> Option<PathBuf> {
        installed("haproxy")
    }

    /// The interpreter of the environment that has FastMCP.
    pub(crate) fn fastmcp(&self) -> Option<PathBuf> {
        let named = |name| env::var_os(name).map(PathBuf::from);
        let cache = || named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
        let folder =
            named("TIDEGATE_BENCH_DEPS").or_else(|| cache().map(|c| c.join("tidegate/bench-deps")))?;
        // what the setup writes last
        folder.join("installed").exists().then(|| folder.join("python/bin/python"))
    }

    /// What a target says of its version.
    pub(crate) fn version(&self, target: Name) -> Option<String> {
        let say = |program: &Path, arg: &str| first_line(Command::new(program).arg(arg));
        match target {
            Name::Direct => say(&self.ours("mock-mcp"), "--version"),
            Name::Tidegate => say(&self.ours("tidegate-dataplane"), "--version"),
            Name::Nginx => say(&self.nginx()?, "-v"),
            Name::Haproxy => say(&self.haproxy()?, "-v"),
            Name::Pingora => Some(format!("pingora-proxy {}", env!("PINGORA_VERSION"))),
            Name::Fastmcp => {
                let ask = "import fastmcp, sys; print('fastmcp', fastmcp.__version__, 'on Python', sys.version.split()[0])";
                first_line(Command::new(self.fastmcp()?).args(["-c", ask]))
            }
        }
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.exists())
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&said).lines().next().map(str::to_owned)
}

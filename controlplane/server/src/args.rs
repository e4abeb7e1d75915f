//! The command line of `tidegate-controlplane`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tidegate_controlplane_api::GoDuration;

use crate::push::PushAddr;
use crate::run::Options;
use crate::source::SourceSpec;
use crate::state;

const EXAMPLES: &str = "\
Examples:
  Serve the manifests below ./mcp to gateways on this machine:
    tidegate-controlplane --source dir:./mcp --push unix:/run/tidegate/push.sock

  Let gateways on other machines connect, and keep state elsewhere:
    tidegate-controlplane --source dir:/etc/tidegate --push 10.0.0.5:4486 --state-dir /var/lib/tidegate

  See what is going on (then: tidegate get virtualservers):
    tidegate-controlplane --source dir:./mcp --push 127.0.0.1:4486 --log tidegate=debug

An edit is served as soon as it is saved. A manifest that is wrong changes nothing that is served: it is
reported with file, line, field and remedy, and what it said before stays in force.";

/// Compile MCP manifests into a routing table and push it to the gateways.
#[derive(Debug, Parser)]
#[command(name = "tidegate-controlplane", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// Where the manifests are: a directory, read recursively (*.yaml, *.yml, *.json) and watched
    #[arg(long, value_name = "dir:PATH")]
    source: SourceSpec,

    /// Where gateways connect: a Unix socket or a TCP address
    #[arg(long, value_name = "unix:PATH|ADDR:PORT")]
    push: PushAddr,

    /// Where session keys and the last published table are kept
    /// [default: /var/lib/tidegate/controlplane as root, else $XDG_STATE_HOME/tidegate/controlplane]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Write the status of every object to DIR/NAMESPACE/KIND/NAME.yaml, at each change
    #[arg(long, value_name = "DIR")]
    status_dir: Option<PathBuf>,

    /// How long to collect changes after the first before acting on them
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = debounce)]
    debounce: Duration,

    /// How old the key that seals client sessions may grow
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = rotation)]
    session_key_rotation: Duration,

    /// Form of the log on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What to log, as in "info,tidegate=debug"
    #[arg(long, value_name = "FILTER", env = "TIDEGATE_LOG", default_value = "info")]
    pub log: String,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// An argument that parses and still cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// No state directory can be guessed.
    #[error("--state-dir is needed: neither $XDG_STATE_HOME nor $HOME is set")]
    NoStateDir,
    /// The source is a file.
    #[error("--source dir:{}: not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Statuses would be read as manifests.
    #[error("--status-dir {}: lies in the directory of manifests; choose one beside it", .0.display())]
    StatusInSource(PathBuf),
}

impl Args {
    /// What the control plane is started with.
    ///
    /// # Errors
    /// When an argument cannot be used on this machine.
    pub fn resolve(&self) -> Result<Options, ArgsError> {
        let SourceSpec::Dir(root) = &self.source;
        // A missing directory is waited for; something else in its place is a mistake.
        if root.exists() && !root.is_dir() {
            return Err(ArgsError::NotADirectory(root.clone()));
        }
        if let Some(dir) = &self.status_dir
            && within(dir, root)
        {
            return Err(ArgsError::StatusInSource(dir.clone()));
        }
        let state_dir = self.state_dir.clone().or_else(state::default_path).ok_or(ArgsError::NoStateDir)?;
        Ok(Options {
            source: self.source.clone(),
            push: self.push.clone(),
            state_dir,
            debounce: self.debounce,
            session_key_rotation: self.session_key_rotation,
            status_dir: self.status_dir.clone(),
        })
    }
}

/// Whether a directory, which need not exist, lies in another or is it.
pub fn within(dir: &Path, root: &Path) -> bool {
    let resolved = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let real = path.ancestors().find_map(|known| Some((known, known.canonicalize().ok()?)));
        match real {
            Some((known, real)) => path.strip_prefix(known).map_or(path.clone(), |rest| real.join(rest)),
            None => path,
        }
    };
    resolved(dir).starts_with(resolved(root))
}

fn debounce(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::ZERO, Duration::from_secs(10))
}

fn rotation(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(300), Duration::from_secs(30 * 24 * 3600))
}

fn bounded(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = GoDuration::parse(text).ok_or("not a duration; write it as in 20ms, 1.5s or 24h")?.0;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("must be between {} and {}", GoDuration(least), GoDuration(most)))
    }
}

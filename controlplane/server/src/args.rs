//! The command line of `tidegate-controlplane`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tidegate_controlplane_api::GoDuration;

use crate::identity::IdentityArgs;
use crate::identity::lifetimes::LifetimesError;
use crate::push::PushAddr;
use crate::run::{ClusterOptions, Options};
use crate::source::SourceSpec;
use crate::state;

const EXAMPLES: &str = "\
Examples:
  Serve the manifests below ./mcp to gateways on this machine:
    tidegate-controlplane --source dir:./mcp --push unix:/run/tidegate/push.sock

  Let gateways on other machines connect, and keep state elsewhere:
    tidegate-controlplane --source dir:/etc/tidegate --push 10.0.0.5:4486 --state-dir /var/lib/tidegate

  In a cluster (deploy/kustomize does this), or beside one:
    tidegate-controlplane --source kubernetes --push 0.0.0.0:4486
    tidegate-controlplane --source kubernetes --kubeconfig ~/.kube/config --namespace team --push 10.0.0.5:4486

  See what is going on (then: tidegate get virtualservers):
    tidegate-controlplane --source dir:./mcp --push 127.0.0.1:4486 --log tidegate=debug

An edit is served as soon as it is saved. A manifest that is wrong changes nothing that is served: it is
reported with file, line, field and remedy, and what it said before stays in force.";

/// Compile MCP manifests into a routing table and push it to the gateways.
#[derive(Debug, Parser)]
#[command(name = "tidegate-controlplane", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// Where the manifests are: a directory, read recursively (*.yaml, *.yml, *.json) and watched, or an API server
    #[arg(long, value_name = "dir:PATH|kubernetes")]
    source: SourceSpec,

    /// With --source kubernetes: how to reach the API server
    /// [default: the pod's service account, else $KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// With --source kubernetes: look at this namespace only [default: all]
    #[arg(long, value_name = "NS")]
    namespace: Option<String>,

    /// With --source kubernetes: where the Lease, the keys and the gateways are
    /// [default: the pod's namespace, or that of the kubeconfig's context]
    #[arg(long, value_name = "NS", env = "POD_NAMESPACE")]
    system_namespace: Option<String>,

    /// With --source kubernetes: image that brings the bridge for stdio servers, as from a mirror of yours
    /// [default: that of this release]
    #[arg(long, value_name = "IMAGE")]
    bridge_image: Option<String>,

    /// With --source kubernetes: name of this replica in the Lease [default: the host name and the process]
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: Option<String>,

    /// Where gateways connect: a Unix socket or a TCP address
    #[arg(long, value_name = "unix:PATH|ADDR:PORT")]
    push: PushAddr,

    /// Port for /healthz, /readyz and /metrics [default: none]
    #[arg(long, value_name = "ADDR:PORT")]
    admin: Option<SocketAddr>,

    /// Where session keys and the last published table are kept
    /// [default: /var/lib/tidegate/controlplane as root, else $XDG_STATE_HOME/tidegate/controlplane]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Write the status of every object to DIR/NAMESPACE/KIND/NAME.yaml, at each change
    #[arg(long, value_name = "DIR")]
    status_dir: Option<PathBuf>,

    /// How long to collect changes before acting on them: of a directory from the first, of a cluster after one that was acted on at
    /// once
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = debounce)]
    debounce: Duration,

    /// How old the key that seals client sessions may grow
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = rotation)]
    session_key_rotation: Duration,

    #[command(flatten)]
    identities: IdentityArgs,

    /// Form of the log on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What to log, as in "info,tidegate=debug"
    // The client of the API server logs what it returns, for each attempt: we do so once.
    #[arg(
        long,
        value_name = "FILTER",
        env = "TIDEGATE_LOG",
        default_value = "info,kube_client=off,kube_runtime=off"
    )]
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
    /// Lifetimes of certificates.
    #[error(transparent)]
    Lifetimes(#[from] LifetimesError),
    /// Of the other source.
    #[error("{0} is for --source kubernetes")]
    ClusterOnly(&'static str),
    /// Statuses go into the objects there.
    #[error("--status-dir is for --source dir:PATH; in a cluster the status is in each object")]
    StatusDirInCluster,
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
        match &self.source {
            SourceSpec::Dir(root) => self.check_dir(root)?,
            SourceSpec::Kubernetes if self.status_dir.is_some() => return Err(ArgsError::StatusDirInCluster),
            SourceSpec::Kubernetes => {}
        }
        let state_dir = self.state_dir.clone().or_else(state::default_path).ok_or(ArgsError::NoStateDir)?;
        Ok(Options {
            source: self.source.clone(),
            push: self.push.clone(),
            admin: self.admin,
            state_dir,
            debounce: self.debounce,
            session_key_rotation: self.session_key_rotation,
            status_dir: self.status_dir.clone(),
            cluster: self.cluster()?,
        })
    }

    fn check_dir(&self, root: &Path) -> Result<(), ArgsError> {
        // A missing directory is waited for; something else in its place is a mistake.
        if root.exists() && !root.is_dir() {
            return Err(ArgsError::NotADirectory(root.to_owned()));
        }
        let cluster =
            [("--kubeconfig", self.kubeconfig.is_some()), ("--namespace", self.namespace.is_some())];
        if let Some((flag, _)) = cluster.into_iter().find(|(_, given)| *given) {
            return Err(ArgsError::ClusterOnly(flag));
        }
        match &self.status_dir {
            Some(dir) if within(dir, root) => Err(ArgsError::StatusInSource(dir.clone())),
            _ => Ok(()),
        }
    }

    fn cluster(&self) -> Result<ClusterOptions, ArgsError> {
        Ok(ClusterOptions {
            kubeconfig: self.kubeconfig.clone(),
            namespace: self.namespace.clone(),
            bridge_image: self.bridge_image.clone(),
            system_namespace: self.system_namespace.clone(),
            identity: self.identity.clone().unwrap_or_else(own_name),
            lifetimes: self.identities.lifetimes()?,
            unbound: self.identities.unbound(),
        })
    }
}

/// Of this process among the replicas.
fn own_name() -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    format!("{}_{}", host.as_deref().unwrap_or("tidegate"), std::process::id())
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

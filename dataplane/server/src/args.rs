//! The command line.

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_dataplane_gateway::push::{ControlPlaneAddr, Credentials, NodeName, PushConfig};
use tidegate_dataplane_gateway::{ClientLimits, LogFilter, Options, Serve, TlsFiles, TlsOptions};

/// The node gateway for MCP servers: serves the virtual servers that a control plane pushes.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  tidegate-dataplane --control-plane unix:/run/tidegate/control.sock --state-dir /var/lib/tidegate/node
  tidegate-dataplane --control-plane http://controlplane:4484 --state-dir ./state --listen 0.0.0.0:4483
  tidegate-dataplane --control-plane https://tidegate-controlplane.tidegate.svc:4486 --node \"$NODE_NAME\" \\
    --control-plane-ca /etc/tidegate/ca/ca.crt --token-file /var/run/secrets/tidegate/token --state-dir /var/lib/tidegate

What was last served is kept in the state directory: after a restart it is served again at once, also while
no control plane answers."
)]
pub(crate) struct Args {
    /// Where the control plane answers: unix:PATH, https://HOST:PORT, or http://HOST:PORT, which proves nothing
    #[arg(long, value_name = "ADDR")]
    control_plane: ControlPlaneAddr,
    /// Certificates that vouch for an https control plane, PEM; the file may be replaced at any time
    #[arg(long, value_name = "FILE", requires = "token_file")]
    control_plane_ca: Option<PathBuf>,
    /// Service account token for an https control plane; the file may be replaced at any time
    #[arg(long, value_name = "FILE", requires = "control_plane_ca")]
    token_file: Option<PathBuf>,
    /// Directory for the last-known-good table, the session keys and this node's certificate
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Shared port for clients
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4483")]
    listen: SocketAddr,
    /// Port for clients that speak TLS, beside the shared one: the same virtual servers
    #[arg(long, value_name = "ADDR:PORT", requires_all = ["tls_certificate", "tls_key"])]
    tls_listen: Option<SocketAddr>,
    /// Its certificate, then those that issued it, PEM; the file may be replaced at any time
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the first of them, PEM without a passphrase; the file may be replaced at any time
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_key: Option<PathBuf>,
    /// Where ports of virtual servers listen whose address is 0.0.0.0 or [::], as several gateways on one host need it
    /// [default: everywhere]
    #[arg(long, value_name = "IP", env = "TIDEGATE_ADDRESS")]
    address: Option<IpAddr>,
    /// Port for /metrics, /healthz, /readyz and /logging; whoever reaches it can change what is logged
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4485")]
    admin: SocketAddr,
    /// Name of this node [default: the host name]
    #[arg(long, value_name = "NAME", env = "TIDEGATE_NODE")]
    node: Option<String>,
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Further Host that a loopback port accepts (may be repeated)
    #[arg(long, value_name = "HOST")]
    allowed_host: Vec<String>,
    /// Origin that browsers may call from, beside the same origin (may be repeated)
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
    /// Seconds that requests may go on after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    drain: u64,
    /// Take over from the process that serves now: listen beside it, on all its ports
    #[arg(long)]
    takeover: bool,
    /// Client connections at a time, 0: any number [default: half of the open files that are left after 512, at most 65536]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// The same for one client address (an IPv6 network of 64 bits is one) [default: half of --max-connections]
    #[arg(long, value_name = "N")]
    max_connections_per_address: Option<usize>,
    /// GET streams of one client address at a time, 0: any number
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    max_streams_per_address: usize,
    /// Sessions of one client address that neither ended nor expired, 0: any number
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    max_sessions_per_address: usize,
    /// What to log: a level, or targets with levels
    #[arg(long, value_name = "FILTER", env = "TIDEGATE_LOG", default_value = "info,pingora_core=warn")]
    pub(crate) log: String,
    /// How to log
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Seconds that a session lives
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, hide = true)]
    session_seconds: u64,
    /// Milliseconds between keep-alive comments on a GET stream
    #[arg(long, value_name = "MS", default_value_t = 15_000, hide = true)]
    keep_alive_ms: u64,
    /// Milliseconds that a client connection may be idle
    #[arg(long, value_name = "MS", default_value_t = 120_000, hide = true)]
    idle_ms: u64,
    /// Milliseconds for a request's head, and for its body
    #[arg(long, value_name = "MS", hide = true)]
    read_ms: Option<u64>,
    /// Stop also when the standard input ends: for a parent that may be killed
    #[arg(long, hide = true)]
    exit_on_stdin_close: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Args {
    /// `descriptors`: how many files the process may have open.
    pub(crate) fn options(&self, descriptors: u64) -> Options {
        let mut o = Options::new(self.listen);
        o.tls = self.tls();
        o.address = self.address;
        o.threads = self.threads.map_or(o.threads, usize::from);
        o.allowed_hosts = self.allowed_host.clone();
        o.allowed_origins = self.allowed_origin.clone();
        o.session = Duration::from_secs(self.session_seconds);
        o.keep_alive = Duration::from_millis(self.keep_alive_ms.max(1));
        o.idle = Duration::from_millis(self.idle_ms);
        if let Some(read) = self.read_ms.map(Duration::from_millis) {
            (o.head, o.read) = (read, read);
        }
        o.drain = Duration::from_secs(self.drain);
        o.clients = self.client_limits(descriptors);
        o.takeover = self.takeover;
        o
    }

    /// All three flags or none, as clap has seen to.
    fn tls(&self) -> Option<TlsOptions> {
        let (listen, certificate, key) =
            (self.tls_listen?, self.tls_certificate.clone()?, self.tls_key.clone()?);
        Some(TlsOptions { listen, files: TlsFiles { certificate, key } })
    }

    fn client_limits(&self, descriptors: u64) -> ClientLimits {
        let defaults = ClientLimits::for_descriptors(descriptors);
        let connections = self.max_connections.unwrap_or(defaults.connections);
        ClientLimits {
            connections,
            connections_per_address: self.max_connections_per_address.unwrap_or(connections / 2),
            streams_per_address: self.max_streams_per_address,
            sessions_per_address: self.max_sessions_per_address,
        }
    }

    pub(crate) fn serve(self, log: Arc<dyn LogFilter>) -> anyhow::Result<Serve> {
        let node = match self.node {
            Some(node) => node,
            None => nix::unistd::gethostname()?.to_string_lossy().into_owned(),
        };
        let credentials = match (self.control_plane_ca, self.token_file) {
            (Some(authorities), Some(token)) => Some(Credentials { authorities, token }),
            _ => None,
        };
        check_credentials(&self.control_plane, credentials.is_some(), &node)?;
        for (flag, other) in [("--listen", self.listen), ("--admin", self.admin)] {
            // with --takeover the system would let them share it
            anyhow::ensure!(
                self.tls_listen != Some(other) || other.port() == 0,
                "--tls-listen and {flag} are both {other}: give TLS a port of its own"
            );
        }
        Ok(Serve {
            admin: self.admin,
            log,
            exit_on_stdin_close: self.exit_on_stdin_close,
            push: PushConfig {
                control_plane: self.control_plane,
                credentials,
                node,
                listen: format!("http://{}", self.listen),
                state_dir: self.state_dir,
                software_version: env!("CARGO_PKG_VERSION").into(),
            },
        })
    }
}

fn check_credentials(control_plane: &ControlPlaneAddr, given: bool, node: &str) -> anyhow::Result<()> {
    match (control_plane, given) {
        (ControlPlaneAddr::Tls(_), true) => {
            node.parse::<NodeName>().context("--node")?;
        }
        (ControlPlaneAddr::Tls(url), false) => {
            anyhow::bail!("--control-plane {url} needs --control-plane-ca and --token-file")
        }
        (other, true) => {
            anyhow::bail!("--control-plane-ca and --token-file are for https, and --control-plane is {other}")
        }
        (_, false) => {}
    }
    Ok(())
}

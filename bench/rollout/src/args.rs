//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;

/// Measures how long an edit in the API server takes to every node, and what a large cluster costs the control plane.
///
/// Starts a real API server with etcd (scripts/setup-tests builds them), the control plane beside this program, and
/// simulated nodes. Prints one line for each figure.
#[derive(Parser, Clone, Debug)]
#[command(name = "tidegate-rollout", version, max_term_width = 110)]
pub(crate) struct Args {
    /// VirtualMCPServers, each with a group of its own
    #[arg(long, default_value_t = 1000)]
    pub(crate) virtual_servers: usize,
    /// MCPServers: a StatefulSet, two Services and an EndpointSlice each
    #[arg(long, default_value_t = 1000)]
    pub(crate) servers: usize,
    /// MCPServerEntries
    #[arg(long, default_value_t = 9000)]
    pub(crate) server_entries: usize,
    /// Nodes, each with a gateway
    #[arg(long, default_value_t = 50)]
    pub(crate) nodes: usize,
    /// Edits made one after the other
    #[arg(long, default_value_t = 200)]
    pub(crate) edits: usize,
    /// Edits made as fast as the API server takes them
    #[arg(long, default_value_t = 500)]
    pub(crate) burst: usize,
    /// How long to look at a cluster at rest, in seconds
    #[arg(long, default_value = "60", value_parser = whole_seconds, value_name = "SECONDS")]
    pub(crate) rest: Duration,
    /// How often a node reports when its backends were probed, in seconds
    #[arg(long, default_value = "30", value_parser = whole_seconds, value_name = "SECONDS")]
    pub(crate) report_every: Duration,
    /// Bound of each wait, in seconds
    #[arg(long, default_value = "900", value_parser = whole_seconds, value_name = "SECONDS")]
    pub(crate) patience: Duration,
    /// The control plane [default: beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) controlplane: Option<PathBuf>,
    /// Keep the control plane's log here
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

impl Args {
    /// Whether there is something to measure.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.virtual_servers > 0, "--virtual-servers must be at least 1");
        ensure!(self.nodes > 0, "--nodes must be at least 1");
        ensure!(self.server_entries > 0, "--server-entries must be at least 1: these are edited");
        Ok(())
    }
}

fn whole_seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "expected a number of seconds".to_owned())
}

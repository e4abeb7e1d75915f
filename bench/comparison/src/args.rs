//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::target::{Given, Name};

/// Puts the same load on several gateways and proxies, in interleaved rounds, and writes a report.
///
/// Compare the ratios of one run, never absolute times of two machines.
#[derive(Parser, Debug)]
#[command(name = "tidegate-compare", version, max_term_width = 110)]
pub(crate) struct Args {
    /// A few scenarios of direct, tidegate and nginx, in under two minutes
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// All scenarios, longer rounds: some 35 minutes
    #[arg(long)]
    pub(crate) full: bool,
    /// Where the report goes
    #[arg(long, default_value = "target/compare", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Only scenarios whose name contains this; several are possible
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,
    /// Only these targets, separated by commas; those given by --target are always there
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) targets: Vec<Name>,
    /// A further target that already runs, before the backend of --backend: NAME=URL[,pid=N][,prefix=TEXT].
    /// The prefix is what it puts before names of tools; of the process and its children the CPU time is read
    #[arg(long = "target", value_name = "NAME=URL[,pid=N][,prefix=TEXT]")]
    pub(crate) given: Vec<Given>,
    /// Where the backend of the scenarios with one backend listens, for --target
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT")]
    pub(crate) backend: SocketAddr,
    /// Rounds
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Measured time of a target in a round, in milliseconds
    #[arg(long, value_name = "MS")]
    pub(crate) millis: Option<u64>,
    /// Idle sessions of the scenarios with idle ones, where the descriptors allow it
    #[arg(long, value_name = "N")]
    pub(crate) idle: Option<usize>,
    /// Count system calls per request too (strace)
    #[arg(long)]
    pub(crate) syscalls: bool,
    /// Count user-space instructions per request too (callgrind, slow)
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Count both and measure hardly anything: all scenarios that are counted, in one short round; where --targets names
    /// nobody, of tidegate and nginx
    #[arg(long, conflicts_with_all = ["quick", "full", "rounds", "millis", "syscalls", "instructions"])]
    pub(crate) counts: bool,
    /// List the scenarios and the targets that each of them has, and end
    #[arg(long)]
    pub(crate) list: bool,
}

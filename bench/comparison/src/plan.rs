//! What to measure, checked: the arguments as types that cannot be wrong.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use crate::args::Args;
use crate::binaries::Binaries;
use crate::scenario::{self, Scenario, Set};
use crate::target::{Given, Name};

/// The whole run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) set: Set,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) targets: Vec<Name>,
    /// Targets that cannot take part, and why.
    pub(crate) missing: Vec<(Name, String)>,
    pub(crate) given: Vec<Given>,
    pub(crate) backend: SocketAddr,
    pub(crate) rounds: usize,
    pub(crate) warmup: Duration,
    pub(crate) measured: Duration,
    pub(crate) idle: usize,
    pub(crate) syscalls: bool,
    pub(crate) instructions: bool,
    pub(crate) out: PathBuf,
    pub(crate) binaries: Binaries,
}

impl TryFrom<Args> for Plan {
    type Error = anyhow::Error;

    fn try_from(args: Args) -> anyhow::Result<Self> {
        let set = match (args.quick, args.full, args.counts) {
            (true, _, _) => Set::Quick,
            (_, true, _) => Set::Full,
            (_, _, true) => Set::Counts,
            _ => Set::Default,
        };
        let wanted =
            |s: &Scenario| args.only.is_empty() || args.only.iter().any(|o| s.name.contains(o.as_str()));
        let scenarios: Vec<_> = scenario::of(set).into_iter().filter(wanted).collect();
        ensure!(!scenarios.is_empty(), "--only leaves no scenario");
        let binaries = Binaries::beside_this()?;
        let named = if args.targets.is_empty() { set.targets().to_vec() } else { args.targets };
        let (mut targets, mut missing) = (Vec::new(), Vec::new());
        for name in named {
            match binaries.lacks(name) {
                None => targets.push(name),
                Some(why) => missing.push((name, why)),
            }
        }
        if args.list {
            scenario::list(&scenarios, &targets);
            std::process::exit(0);
        }
        let (rounds, millis, idle) = set.extent();
        let measured = Duration::from_millis(args.millis.unwrap_or(millis));
        ensure!(args.rounds != Some(0) && !measured.is_zero(), "--rounds and --millis must be at least 1");
        Ok(Self {
            set,
            scenarios,
            targets,
            missing,
            given: args.given,
            backend: args.backend,
            rounds: args.rounds.unwrap_or(rounds),
            warmup: measured / 5,
            measured,
            idle: args.idle.unwrap_or(idle),
            syscalls: args.syscalls || args.counts,
            instructions: args.instructions || args.counts,
            out: args.out,
            binaries,
        })
    }
}

//! What to measure, checked: the arguments as types that cannot be wrong.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use crate::args::Args;
use crate::binaries::Binaries;
use crate::scenario::{self, Backends, Scenario, Set};
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

/// It answers some thirty calls a second: a shorter time would see none of sixty-four that wait.
const LEAST_FASTMCP: Duration = Duration::from_secs(3);

impl Plan {
    /// What scenarios are played on, in their order: those over the same backends together.
    pub(crate) fn stages(&self) -> Vec<Backends> {
        let mut stages: Vec<Backends> = Vec::new();
        for scenario in &self.scenarios {
            if !stages.contains(&scenario.backends) {
                stages.push(scenario.backends);
            }
        }
        stages
    }

    /// The measured time of a round.
    pub(crate) fn measured_of(&self, target: Option<Name>) -> Duration {
        let least = if target == Some(Name::Fastmcp) { LEAST_FASTMCP } else { Duration::ZERO };
        self.measured.max(least)
    }
}

impl TryFrom<Args> for Plan {
    type Error = anyhow::Error;

    fn try_from(args: Args) -> anyhow::Result<Self> {
        Self::new(args, Binaries::beside_this()?)
    }
}

impl Plan {
    /// What the arguments say, with these programs.
    pub(crate) fn new(args: Args, binaries: Binaries) -> anyhow::Result<Self> {
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

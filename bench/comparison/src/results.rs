//! Everything that was measured, as it goes into the JSON file.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::counts::Counts;
use crate::idle::Idle;
use crate::load::Report;
use crate::machine::Machine;
use crate::noise::Noise;
use crate::scenario::{Scenario, Set};
use crate::stats::Spread;

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) set: Set,
    pub(crate) started: String,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) measured_ms: u128,
    pub(crate) machine: Machine,
    pub(crate) noise: Noise,
    /// Each target and its version.
    pub(crate) versions: Vec<(String, String)>,
    /// Targets that took no part at all, and why.
    pub(crate) missing: Vec<(String, String)>,
    pub(crate) outcomes: Vec<Outcome>,
}

/// One scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: Scenario,
    pub(crate) targets: Vec<OfTarget>,
    /// Who took no part, and why.
    pub(crate) left_out: BTreeMap<String, String>,
    /// Who should have taken part and could not, and why.
    pub(crate) broken: BTreeMap<String, String>,
}

/// One target in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct OfTarget {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Sample>,
    /// In each round of a scenario that is idle.
    pub(crate) idle: Vec<Idle>,
    pub(crate) counts: Counts,
}

/// One target in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Of all processes together, per request; none of the direct target.
    pub(crate) cpu_us: Option<f64>,
    /// What of it was spent in the kernel.
    pub(crate) kernel_us: Option<f64>,
    pub(crate) rss_kib: Option<u64>,
    /// Of these, what the processes take that clients speak to: of the gateway, its data plane alone.
    pub(crate) serving_kib: Option<u64>,
    /// Changes of the manifests that were made meanwhile.
    pub(crate) edits: Option<u64>,
    pub(crate) load: Report,
}

impl Results {
    /// Whether any request failed, or any scenario could not be measured.
    pub(crate) fn failed(&self) -> bool {
        let of = |outcome: &Outcome| {
            !outcome.broken.is_empty()
                || outcome.targets.iter().any(|target| target.failures() > 0 || target.silent())
        };
        self.outcomes.iter().any(of)
    }

    /// Distance of the fastest and the slowest round without a proxy, of the worst scenario.
    pub(crate) fn direct_width(outcomes: &[Outcome]) -> Option<(String, f64)> {
        let width = |outcome: &Outcome| {
            let direct = outcome.target("direct")?;
            let spread = direct.spread(|sample| Some(sample.load.per_second))?;
            Some((outcome.scenario.name.clone(), spread.width()))
        };
        outcomes.iter().filter_map(width).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl Outcome {
    /// Nobody measured yet.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let (left_out, broken) = (BTreeMap::new(), BTreeMap::new());
        Self { scenario: scenario.clone(), targets: Vec::new(), left_out, broken }
    }

    pub(crate) fn target(&self, name: &str) -> Option<&OfTarget> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// A value of one target in relation to that of another in the same round.
    pub(crate) fn ratio(
        &self,
        name: &str,
        to: &str,
        value: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        let (a, b) = (self.target(name)?, self.target(to)?);
        let ratios = a.rounds.iter().zip(&b.rounds).map(|(a, b)| Some(value(a)? / value(b)?));
        Spread::of(ratios.collect::<Option<Vec<_>>>()?)
    }

    /// A value of one target in relation to the same target's in another scenario, round by round.
    pub(crate) fn against(
        &self,
        other: &Self,
        name: &str,
        value: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        let (a, b) = (self.target(name)?, other.target(name)?);
        let ratios = a.rounds.iter().zip(&b.rounds).map(|(a, b)| Some(value(a)? / value(b)?));
        Spread::of(ratios.collect::<Option<Vec<_>>>()?)
    }

    /// What a target adds to a value in comparison with the direct one in the same round.
    pub(crate) fn added(&self, name: &str, value: impl Fn(&Sample) -> f64) -> Option<Spread> {
        let (a, b) = (self.target(name)?, self.target("direct")?);
        Spread::of(a.rounds.iter().zip(&b.rounds).map(|(a, b)| value(a) - value(b)))
    }
}

impl OfTarget {
    pub(crate) fn spread(&self, value: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(value).collect::<Option<Vec<_>>>()?)
    }

    pub(crate) fn failures(&self) -> u64 {
        let idle = self.idle.iter().map(|idle| idle.failed).sum::<u64>();
        self.rounds.iter().map(|sample| sample.load.failed).sum::<u64>() + idle
    }

    /// Whether no request was answered in some round.
    pub(crate) fn silent(&self) -> bool {
        self.rounds.iter().any(|sample| sample.load.requests == 0)
    }

    /// The first failure of all.
    pub(crate) fn example(&self) -> Option<&str> {
        let of_load = self.rounds.iter().find_map(|sample| sample.load.examples.values().next());
        of_load.or_else(|| self.idle.iter().find_map(|idle| idle.example.as_ref())).map(String::as_str)
    }
}

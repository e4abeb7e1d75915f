//! How long a run is going to take: what is measured, and what experience says of the rest.

use std::time::Duration;

use crate::idle;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::target::Name;

/// The load generator starts and opens its sessions; FastMCP's proxy takes a twentieth of a second for each of them.
const OPENING: Duration = Duration::from_millis(250);
const OPENING_FASTMCP: Duration = Duration::from_millis(50);
/// Backends and targets start, and are asked until they answer; the gateway looks at a thousand backends in a second or two.
const STAGE: Duration = Duration::from_secs(5);
const THOUSAND_BACKENDS: Duration = Duration::from_secs(2);
/// A target that holds idle sessions starts, and its memory becomes what it stays; the sessions are opened, and closed.
const IDLE: Duration = Duration::from_secs(6);
const THOUSAND_SESSIONS: Duration = Duration::from_millis(600);
/// Two loads under strace, or under callgrind with the start.
const COUNT: Duration = Duration::from_secs(12);

/// Of the whole plan.
pub(crate) fn of(plan: &Plan) -> Duration {
    let stages = plan.stages().into_iter().map(|backends| {
        STAGE + THOUSAND_BACKENDS.mul_f64((backends.count * backends.virtual_servers) as f64 / 1_000.0)
    });
    let scenarios = plan.scenarios.iter().map(|s| scenario(plan, s));
    stages.sum::<Duration>() + scenarios.sum::<Duration>()
}

fn scenario(plan: &Plan, scenario: &Scenario) -> Duration {
    let part = plan.targets.iter().copied().filter(|name| scenario.leaves_out(*name).is_none());
    let known = part.map(|name| target(plan, scenario, Some(name)));
    let given = plan.given.iter().map(|_| target(plan, scenario, None));
    known.chain(given).sum()
}

fn target(plan: &Plan, scenario: &Scenario, name: Option<Name>) -> Duration {
    if scenario.is_idle() {
        let sessions = THOUSAND_SESSIONS.mul_f64(plan.idle as f64 / 1_000.0);
        return (IDLE + sessions) * u32::try_from(idle::rounds(plan)).unwrap_or(u32::MAX);
    }
    let opening = match name {
        Some(Name::Fastmcp) => OPENING_FASTMCP.mul_f64(scenario.sessions as f64),
        _ => OPENING,
    };
    let round = plan.warmup + plan.measured_of(name) + opening;
    let counted = scenario.counted && !matches!(name, None | Some(Name::Direct | Name::Fastmcp));
    let counts = u32::from(counted) * (u32::from(plan.syscalls) + u32::from(plan.instructions));
    round * u32::try_from(plan.rounds).unwrap_or(u32::MAX) + COUNT * counts
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;
    use crate::binaries::Binaries;

    /// Minutes, where everything is installed.
    #[track_caller]
    fn check(args: &[&str], minutes: std::ops::Range<f64>) {
        let args = Args::parse_from([&["compare"], args].concat());
        let mut plan = Plan::new(args, Binaries::nowhere()).expect("right arguments");
        plan.targets.extend(plan.missing.drain(..).map(|(name, _)| name));
        let estimated = of(&plan).as_secs_f64() / 60.0;
        assert!(minutes.contains(&estimated), "{estimated}");
    }

    #[test]
    fn the_sets_take_what_is_said_of_them() {
        check(&["--quick"], 0.5..2.0);
        check(&[], 5.0..10.0);
        check(&["--full"], 25.0..40.0);
    }
}

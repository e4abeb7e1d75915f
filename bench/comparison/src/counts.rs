//! System calls and instructions per request: the difference of two runs of different length, so that the start cancels
//! out. A request is what the load counts as one: of a scenario of whole sessions, a whole session.

mod callgrind;
mod profile;
mod strace;

use std::collections::BTreeMap;

use anyhow::ensure;
use serde::Serialize;

use crate::load::{self, Extent};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::target::{Name, Target};

/// Per request; none: not asked for, or not possible.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) system_calls: Option<f64>,
    pub(crate) user_instructions: Option<Instructions>,
}

/// In user space.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Instructions {
    pub(crate) each: f64,
    /// By part of the program: crates of Rust, of ours with their modules, and object files of C.
    pub(crate) parts: BTreeMap<String, f64>,
    /// What callgrind wrote of the process that did most, in the longer run.
    #[serde(skip)]
    pub(crate) profile: String,
}

/// What the plan asks for.
pub(crate) fn of(
    plan: &Plan,
    stage: &Stage<'_>,
    scenario: &Scenario,
    target: &Target,
) -> anyhow::Result<Counts> {
    let pids = target.pids();
    let native = !matches!(target.known, None | Some(Name::Direct | Name::Fastmcp));
    let mut counts = Counts::default();
    if plan.syscalls && scenario.counted && native && !pids.is_empty() {
        counts.system_calls = Some(strace::system_calls(plan, stage, scenario, target, &pids)?);
    }
    if let Some(name) = target.known.filter(|_| plan.instructions && scenario.counted && native) {
        counts.user_instructions = Some(callgrind::instructions(plan, stage, scenario, name)?);
    }
    Ok(counts)
}

/// Puts exactly so many requests on a target, all of which must be answered rightly.
fn load(
    plan: &Plan,
    stage: &Stage<'_>,
    scenario: &Scenario,
    target: &Target,
    requests: u64,
) -> anyhow::Result<()> {
    let aim = target.aim(scenario, &stage.certificate);
    let command = load::command(&plan.binaries, scenario, &aim);
    let report = load::run(command, Extent::Requests(requests), &[])?;
    let failed = report.failed;
    ensure!(failed == 0, "{failed} of {requests} requests failed while they were counted");
    Ok(())
}

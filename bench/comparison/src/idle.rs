//! What idle sessions and streams take of a target's memory.

use std::io::{BufRead, BufReader};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::load;
use crate::plan::Plan;
use crate::process::resident;
use crate::scenario::{Beside, Scenario};
use crate::stage::Stage;
use crate::target::Name;

/// Descriptors that are no client's.
const OTHERS: u64 = 1_000;

/// Sessions that are there before the measured ones.
const FIRST: usize = 100;

/// Resident memory of a target's processes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) sessions: u64,
    pub(crate) streams: u64,
    /// What could not be opened or did not stay.
    pub(crate) failed: u64,
    pub(crate) before_kib: u64,
    pub(crate) after_kib: u64,
}

#[derive(Deserialize)]
struct Held {
    sessions: u64,
    streams: u64,
    failed: u64,
}

impl Idle {
    /// For each session.
    pub(crate) fn kib_each(&self) -> f64 {
        (self.after_kib as f64 - self.before_kib as f64) / self.sessions.max(1) as f64
    }
}

/// Starts a target anew, so that no memory of earlier loads is there, and opens the sessions.
pub(crate) fn measure(
    plan: &Plan,
    stage: &Stage<'_>,
    scenario: &Scenario,
    name: Name,
    descriptors: u64,
) -> anyhow::Result<Idle> {
    let mut target = stage.start(name, &[])?;
    stage.ready(&mut target, scenario)?;
    let streams = scenario.beside == Beside::IdleStreams;
    // a proxy has two descriptors for each
    let most = usize::try_from(descriptors.saturating_sub(OTHERS) / 2)?;
    let sessions = if streams { plan.idle.min(most) } else { plan.idle };
    let aim = target.aim(scenario, &stage.certificate);
    // what the first sessions make a process take, once and for all, is not theirs
    let mut first = load::hold(&plan.binaries, &aim, FIRST, streams)?;
    let mut lines = BufReader::new(first.stdout.take().context("no output")?).lines();
    lines.next().context("tidegate-load ended")??;
    let before_kib = resident(&target.pids());
    let mut holder = load::hold(&plan.binaries, &aim, sessions, streams)?;
    let mut lines = BufReader::new(holder.stdout.take().context("no output")?).lines();
    let line = lines.next().context("tidegate-load ended")??;
    let after_kib = resident(&target.pids());
    drop(holder.stdin.take());
    let at_the_end = lines.next().context("tidegate-load ended")??;
    drop(first.stdin.take());
    holder.wait()?;
    first.wait()?;
    let (held, end): (Held, Held) = (serde_json::from_str(&line)?, serde_json::from_str(&at_the_end)?);
    Ok(Idle { sessions: held.sessions, streams: held.streams, failed: end.failed, before_kib, after_kib })
}

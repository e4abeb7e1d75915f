//! What idle sessions and streams take of a target's memory.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::load::Holder;
use crate::plan::Plan;
use crate::process::resident;
use crate::scenario::{Beside, Scenario};
use crate::stage::Stage;
use crate::stop;
use crate::target::{Name, Target};

/// The part of the descriptors that is no client's: nginx, for one, closes connections that wait for a request when a
/// sixteenth of its own is left.
const SPARE: u64 = 8;

/// Sessions that are there before the measured ones.
const FIRST: usize = 100;

/// At most.
const ROUNDS: usize = 3;
/// Memory has become what it stays when it has not become less for this time: the gateway looks every second.
const STEADY: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// Resident memory of a target's processes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) sessions: u64,
    pub(crate) streams: u64,
    /// What could not be opened or did not stay.
    pub(crate) failed: u64,
    /// The first of these.
    pub(crate) example: Option<String>,
    pub(crate) before_kib: u64,
    pub(crate) after_kib: u64,
    /// Some seconds after all of them were closed.
    pub(crate) closed_kib: u64,
}

impl Idle {
    /// For each session.
    pub(crate) fn kib_each(&self) -> f64 {
        (self.after_kib as f64 - self.before_kib as f64) / self.sessions.max(1) as f64
    }

    /// What is there after they were closed, in relation to what was there before.
    pub(crate) fn kept(&self) -> f64 {
        self.closed_kib as f64 / self.before_kib.max(1) as f64
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
    let most = usize::try_from((descriptors - descriptors / SPARE) / 2)?;
    let sessions = if streams { plan.idle.min(most) } else { plan.idle };
    let aim = target.aim(scenario, &stage.certificate);
    // what the first sessions make a process take, once and for all, is not theirs
    let first = Holder::start(&plan.binaries, &aim, FIRST, streams)?;
    first.opened()?;
    let before_kib = resident(&target.serving());
    let holder = Holder::start(&plan.binaries, &aim, sessions, streams)?;
    let held = holder.opened()?;
    let after_kib = resident(&target.serving());
    let end = holder.release()?;
    let closed_kib = ebbed(&target)?;
    first.release()?;
    Ok(Idle {
        sessions: held.sessions,
        streams: held.streams,
        failed: end.failed,
        example: end.example,
        before_kib,
        after_kib,
        closed_kib,
    })
}

/// How often it is measured: each time takes ten seconds of waiting, and rounds differ less than those under load.
pub(crate) fn rounds(plan: &Plan) -> usize {
    plan.rounds.min(ROUNDS)
}

/// Memory once it has not become less for a while.
fn ebbed(target: &Target) -> anyhow::Result<u64> {
    let start = Instant::now();
    let (mut least, mut since) = (resident(&target.serving()), start);
    while since.elapsed() < STEADY && start.elapsed() < PATIENCE {
        stop::check()?;
        thread::sleep(LOOK);
        let now = resident(&target.serving());
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    Ok(least)
}

//! Keeps the child objects of our resources: applies what is not there as it should be, deletes what is ours and not wanted any more.

mod plan;
mod verdict;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;

use super::refusals::{Refusals, Refused};
use super::{CONCURRENCY, Pace};
use crate::metrics;
use crate::pipeline::Outcome;
use crate::source::kubernetes::{Dirty, Mirrors};
use plan::Memory;
pub use plan::{Action, Step};
use verdict::refusal;
use write::WriteError;

/// Between two looks at least: a burst becomes one.
const PACE: Duration = Duration::from_millis(50);
/// Looking may take this share of the time: one part in so many.
const SHARE: u32 = 10;
/// Between two looks at most, for what no watch told.
const RESYNC: Duration = Duration::from_secs(600);

/// What the keeper works with.
pub struct Keeper {
    /// To write with.
    pub client: Client,
    /// What is there.
    pub mirrors: Mirrors,
    /// What should be.
    pub outcomes: watch::Receiver<Arc<Outcome>>,
    /// Whether to write.
    pub leading: watch::Receiver<bool>,
    /// Where it is told what cannot be written.
    pub refusals: Refusals,
}

/// What has been done, and what could not be.
#[derive(Default)]
struct Progress {
    memory: Memory,
    pace: Pace<Step>,
    refused: Refused,
}

impl Keeper {
    /// Keeps children until dropped.
    pub async fn run(mut self, dirty: Dirty) {
        let (mut observed, epoch) = (dirty.observed(), Instant::now());
        let mut progress = Progress::default();
        loop {
            observed.mark_unchanged();
            let outcome = Arc::clone(&*self.outcomes.borrow_and_update());
            let mut busy = Duration::ZERO;
            if *self.leading.borrow_and_update() {
                busy = self.round(&outcome, &mut progress, epoch).await;
            } else {
                progress.resign();
            }
            self.refusals.tell(&progress.refused);
            tokio::time::sleep(PACE.max(busy * (SHARE - 1))).await;
            let retry = progress.pace.next();
            let retry = retry.map_or(RESYNC, |at| at.saturating_sub(epoch.elapsed()).max(PACE));
            tokio::select! {
                changed = self.outcomes.changed() => if changed.is_err() { return },
                changed = self.leading.changed() => if changed.is_err() { return },
                changed = observed.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(retry) => {}
            }
        }
    }

    /// One look, and what follows from it; how long the look took.
    async fn round(&self, outcome: &Outcome, progress: &mut Progress, epoch: Instant) -> Duration {
        // What is not compiled yet is not unwanted.
        let Some(compiled) = &outcome.compiled else { return Duration::ZERO };
        let started = Instant::now();
        let steps = tokio::task::block_in_place(|| progress.memory.steps(compiled, &self.mirrors));
        let busy = started.elapsed();
        progress.forget_but(&steps.iter().map(|(step, _)| step).collect());
        let now = epoch.elapsed();
        let ready = steps.into_iter().filter(|(step, _)| progress.pace.ready(step, now)).collect::<Vec<_>>();
        let mut writes = stream::iter(ready)
            .map(|(step, action)| async move {
                let result = write::carry_out(&self.client, &step, &action).await;
                (step, action, result)
            })
            .buffer_unordered(CONCURRENCY);
        while let Some((step, action, result)) = writes.next().await {
            metrics::wrote("child", result.is_ok());
            match result {
                Ok(()) => progress.done(&step, action),
                Err(error) => progress.failed(&step, &action, &error, epoch.elapsed()),
            }
        }
        progress.refused.tried = true;
        busy
    }
}

impl Progress {
    fn done(&mut self, step: &Step, action: Action) {
        tracing::info!(object = %step, action = action.word(), "child object written");
        self.memory.done(step, action);
        self.pace.settled(step);
        self.refused.children.remove(&step.0);
    }

    fn failed(&mut self, step: &Step, action: &Action, error: &WriteError, now: Duration) {
        let first = self.pace.failed(step, now);
        if let Some(refusal) = refusal(step, action, error, self.pace.failures(step)) {
            self.refused.children.insert(step.0.clone(), refusal);
        }
        if first {
            let action = action.word();
            tracing::warn!(object = %step, action, %error, "cannot write a child object, trying again");
        }
    }

    /// What is not to be done any more is not refused either.
    fn forget_but(&mut self, steps: &BTreeSet<&Step>) {
        self.pace.retain(|step| steps.contains(step));
        self.refused.children.retain(|key, _| steps.contains(&Step(key.clone())));
    }

    /// Another replica leads and knows better; whoever leads again tries everything at once.
    fn resign(&mut self) {
        self.pace = Pace::default();
        self.refused = Refused::default();
    }
}

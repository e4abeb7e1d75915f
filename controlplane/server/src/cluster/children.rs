//! Keeps the child objects of our resources: applies what is not there as it should be, deletes what is ours and not wanted any more.

mod plan;
mod write;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{CONCURRENCY, Pace};
use crate::metrics;
use crate::pipeline::Outcome;
use crate::source::kubernetes::{Dirty, Mirrors};
use plan::Memory;
pub use plan::{Action, Step};

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
}

impl Keeper {
    /// Keeps children until dropped.
    pub async fn run(mut self, dirty: Dirty) {
        let (mut observed, epoch) = (dirty.observed(), Instant::now());
        let (mut memory, mut pace) = (Memory::default(), Pace::default());
        loop {
            observed.mark_unchanged();
            let outcome = Arc::clone(&*self.outcomes.borrow_and_update());
            let mut busy = Duration::ZERO;
            if *self.leading.borrow_and_update() {
                busy = self.round(&outcome, &mut memory, &mut pace, epoch).await;
            }
            tokio::time::sleep(PACE.max(busy * (SHARE - 1))).await;
            let retry = pace.next().map_or(RESYNC, |at| at.saturating_sub(epoch.elapsed()).max(PACE));
            tokio::select! {
                changed = self.outcomes.changed() => if changed.is_err() { return },
                changed = self.leading.changed() => if changed.is_err() { return },
                changed = observed.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(retry) => {}
            }
        }
    }

    /// One look, and what follows from it; how long the look took.
    async fn round(
        &self,
        outcome: &Outcome,
        memory: &mut Memory,
        pace: &mut Pace<Step>,
        epoch: Instant,
    ) -> Duration {
        // What is not compiled yet is not unwanted.
        let Some(compiled) = &outcome.compiled else { return Duration::ZERO };
        let started = Instant::now();
        let steps = tokio::task::block_in_place(|| memory.steps(compiled, &self.mirrors));
        let busy = started.elapsed();
        let now = epoch.elapsed();
        let ready = steps.into_iter().filter(|(step, _)| pace.ready(step, now)).collect::<Vec<_>>();
        let mut writes = stream::iter(ready)
            .map(|(step, action)| async move {
                let result = write::carry_out(&self.client, &step, &action).await;
                (step, action, result)
            })
            .buffer_unordered(CONCURRENCY);
        while let Some((step, action, result)) = writes.next().await {
            metrics::wrote("child", result.is_ok());
            match result {
                Ok(()) => {
                    tracing::info!(object = %step, action = action.word(), "child object written");
                    memory.done(&step, action);
                    pace.settled(&step);
                }
                Err(error) => {
                    if pace.failed(&step, epoch.elapsed()) {
                        let action = action.word();
                        tracing::warn!(object = %step, action, %error, "cannot write a child object, trying again");
                    }
                }
            }
        }
        busy
    }
}

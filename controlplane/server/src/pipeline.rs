//! Observe, compile, hold, publish. Level-triggered: each step starts from a complete view and the table published
//! before, so a missed step is made up by the next.

use std::sync::Arc;
use std::time::Instant;

use tidegate_controlplane_api::Diagnostic;
use tidegate_controlplane_compile::{Compiled, Compiler, hold};
use tidegate_proto::delta::Delta;
use tidegate_proto::push::Version;
use tidegate_proto::table::Table;
use tokio::sync::watch;

use crate::metrics;
use crate::source::Observation;
use journal::Journal;

mod journal;
pub mod saved;

/// What the pipeline knows after a step.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The published version, once there is one.
    pub published: Option<Arc<Version>>,
    /// What compile made of the newest view; absent until the source has listed once.
    pub compiled: Option<Arc<Compiled>>,
    /// All that is to be said of the source and the objects, in order.
    pub diagnostics: Arc<Vec<Diagnostic>>,
}

/// The state between steps.
#[derive(Debug)]
pub struct Pipeline {
    /// What nodes may still serve: the table published last, perhaps by an earlier process.
    previous: Arc<Version>,
    compiler: Compiler,
    /// What the source said last.
    source_said: Vec<Diagnostic>,
    journal: Journal,
    outcome: watch::Sender<Arc<Outcome>>,
}

impl Pipeline {
    /// Begins where an earlier process ended.
    pub fn new(previous: Table) -> Self {
        Self {
            previous: Arc::new(Version::new(Arc::new(previous))),
            compiler: Compiler::default(),
            source_said: Vec::new(),
            journal: Journal::default(),
            outcome: watch::Sender::new(Arc::default()),
        }
    }

    /// Before the first step: entries that are on record as held, newer than those that this process's predecessor published.
    pub fn remember(&mut self, held: Table) {
        if !held.entries.is_empty() {
            let mut table = (**self.previous.table()).clone();
            table.entries.extend(held.entries);
            self.previous = Arc::new(self.previous.next(table).0);
        }
    }

    /// What is known after each step; only the newest matters.
    pub fn outcomes(&self) -> watch::Receiver<Arc<Outcome>> {
        self.outcome.subscribe()
    }

    /// The version that nodes are to hold; none before the first step with a view.
    pub fn published(&self) -> Option<Arc<Version>> {
        self.outcome.borrow().published.clone()
    }

    /// Takes an observation; returns the version to publish when it is another than the published one. Without a
    /// complete view there is none: what is not known is not gone.
    pub fn step(&mut self, observation: &Observation) -> Option<Arc<Version>> {
        let before = Arc::clone(&*self.outcome.borrow());
        let mut outcome = Outcome { published: before.published.clone(), ..Outcome::default() };
        if let Some(view) = &observation.view {
            let started = Instant::now();
            let compiled = self.compiler.compile(view);
            let (next, step) = self.previous.next(hold(self.previous.table(), &compiled));
            metrics::COMPILE_SECONDS.observe(started.elapsed().as_secs_f64());
            if before.published.as_ref().is_none_or(|version| version.id() != next.id()) {
                report(&next, &step, started);
            }
            self.previous = Arc::new(next);
            outcome.published = Some(Arc::clone(&self.previous));
            outcome.compiled = Some(Arc::new(compiled));
        }
        outcome.diagnostics = self.say(&before, observation, outcome.compiled.as_deref());
        let publish = newer(&before, &outcome);
        self.outcome.send_replace(Arc::new(outcome));
        publish
    }

    /// All that is to be said, in order; what is new of it is logged.
    fn say(
        &mut self,
        before: &Outcome,
        observation: &Observation,
        compiled: Option<&Compiled>,
    ) -> Arc<Vec<Diagnostic>> {
        let of = |compiled: Option<&Compiled>| compiled.map(|compiled| Arc::clone(&compiled.diagnostics));
        let (earlier, now) = (of(before.compiled.as_deref()), of(compiled));
        let same = match (&earlier, &now) {
            (Some(earlier), Some(now)) => Arc::ptr_eq(earlier, now),
            (earlier, now) => earlier.is_none() && now.is_none(),
        };
        if same && self.source_said == observation.diagnostics {
            return Arc::clone(&before.diagnostics);
        }
        self.source_said.clone_from(&observation.diagnostics);
        let mut diagnostics = observation.diagnostics.clone();
        diagnostics.extend(now.iter().flat_map(|now| now.iter()).cloned());
        Diagnostic::sort(&mut diagnostics);
        self.journal.update(&diagnostics).log();
        Arc::new(diagnostics)
    }
}

fn newer(before: &Outcome, after: &Outcome) -> Option<Arc<Version>> {
    let published = after.published.as_ref()?;
    let known = before.published.as_ref().is_some_and(|version| version.id() == published.id());
    (!known).then(|| Arc::clone(published))
}

fn report(next: &Version, step: &Delta, started: Instant) {
    metrics::VERSIONS.inc();
    let table = next.table();
    tracing::info!(
        version = next.id().short(),
        changed = step.upserts.len(),
        removed = step.removals.len(),
        virtual_servers = table.virtual_servers().count(),
        backends = table.backends().count(),
        took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "table published"
    );
}

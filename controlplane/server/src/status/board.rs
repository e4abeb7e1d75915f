//! The present statuses, for whoever asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_controlplane_api::ObjectRef;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Statuses;
use super::facts::Facts;
use super::present::Present;
use super::transitions::Since;
use crate::cluster::refusals::{Refusals, Refused};
use crate::pipeline::Outcome;
use crate::push::{News, NodeState, PushServer};

/// Looks at the outcomes of the pipeline and at the nodes of the push server; remembers since when conditions hold.
#[derive(Clone, Debug)]
pub struct Board {
    outcomes: watch::Receiver<Arc<Outcome>>,
    push: PushServer,
    refusals: Refusals,
    memory: Arc<Mutex<Memory>>,
}

/// What has been seen.
#[derive(Debug, Default)]
struct Memory {
    present: Present,
    /// Several look at the same change.
    last: Option<Moment>,
}

/// Tells looks apart.
#[derive(Debug)]
struct Moment {
    outcome: Arc<Outcome>,
    refused: Arc<Refused>,
    changes: u64,
    /// As of the last look that was thorough.
    details: u64,
}

impl Moment {
    /// Whether there is nothing to see at a later one but times of probes.
    fn is(&self, later: &Self) -> bool {
        Arc::ptr_eq(&self.outcome, &later.outcome)
            && Arc::ptr_eq(&self.refused, &later.refused)
            && self.changes == later.changes
    }
}

/// How well to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// At what changed: times of probes that found what was known may be older.
    AtNews,
    /// At these objects too.
    AtNewsAnd(Vec<ObjectRef>),
    /// At everything.
    Thorough,
}

/// What there may be to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Something changed.
    News,
    /// Nodes have probed backends again, and found what was known.
    Details,
}

/// What is known at one moment.
#[derive(Debug)]
pub struct Picture {
    /// Of the pipeline.
    pub outcome: Arc<Outcome>,
    /// Connected or gone lately, by name.
    pub nodes: Vec<NodeState>,
    /// Of every object; empty before the source has listed once.
    pub statuses: Statuses,
}

/// Tells when there may be something new to see.
#[derive(Debug)]
pub struct Changes {
    outcomes: watch::Receiver<Arc<Outcome>>,
    refusals: watch::Receiver<Arc<Refused>>,
    nodes: watch::Receiver<u64>,
    details: watch::Receiver<u64>,
}

impl Board {
    /// Nothing is computed until somebody looks.
    pub fn new(outcomes: watch::Receiver<Arc<Outcome>>, push: PushServer) -> Self {
        Self { outcomes, push, refusals: Refusals::default(), memory: Arc::default() }
    }

    /// The state now.
    pub fn look(&self, look: &Look) -> Picture {
        // Held from before the facts are taken: what is remembered never goes back in time.
        let mut memory = self.memory();
        let Memory { present, last } = &mut *memory;
        // Before the nodes are looked at: they may be newer than that, never older.
        let (changes, details) = (*self.push.changed().borrow(), *self.push.details().borrow());
        let (nodes, mut news) = self.push.news();
        let (outcome, refused) = (Arc::clone(&*self.outcomes.borrow()), self.refusals.now());
        let mut moment =
            Moment { outcome: Arc::clone(&outcome), refused: Arc::clone(&refused), changes, details };
        let also: &[ObjectRef] = match look {
            Look::AtNewsAnd(objects) => objects,
            Look::AtNews | Look::Thorough => &[],
        };
        match last.as_ref() {
            Some(last) if *look != Look::Thorough => moment.details = last.details,
            Some(last) if last.details != details => news = News::default(),
            _ => {}
        }
        let is_known = last.as_ref().is_some_and(|last| last.is(&moment)) && news == News::none();
        if !is_known || !also.is_empty() {
            let facts = Facts::new(&outcome, &nodes);
            let turns = present.update(&outcome, &facts, &refused, &news, also, unix_ms(SystemTime::now()));
            turns.iter().for_each(|turn| turn.log());
        }
        *last = Some(moment);
        Picture { outcome, nodes, statuses: present.statuses().clone() }
    }

    /// The outcome of the pipeline, and the nodes: what is known without any work.
    pub fn glance(&self) -> (Arc<Outcome>, Vec<NodeState>) {
        (Arc::clone(&*self.outcomes.borrow()), self.push.nodes())
    }

    /// What cannot be written of children: told by their writer, shown here.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Takes over since when conditions hold from statuses that were written before, perhaps by another process.
    pub fn remember(&self, written: impl IntoIterator<Item = (ObjectRef, Vec<Since>)>) {
        let mut memory = self.memory();
        for (object, conditions) in written {
            memory.present.remember(&object, conditions);
        }
        memory.last = None;
    }

    /// Whether the source has listed once, and what it listed is compiled.
    pub fn has_listed(&self) -> bool {
        self.outcomes.borrow().compiled.is_some()
    }

    /// Whether there is a table for nodes.
    pub fn published(&self) -> bool {
        self.outcomes.borrow().published.is_some()
    }

    /// Whether a connected node has said how its virtual servers are.
    pub fn has_reports(&self) -> bool {
        let reports = |node: &NodeState| node.connected && !node.reported.virtual_servers.is_empty();
        self.push.nodes().iter().any(reports)
    }

    /// Changes from now on.
    pub fn changes(&self) -> Changes {
        let (nodes, details) = (self.push.changed(), self.push.details());
        Changes { outcomes: self.outcomes.clone(), refusals: self.refusals.changes(), nodes, details }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// What changed until now has been seen.
    pub fn seen(&mut self) {
        self.outcomes.mark_unchanged();
        self.refusals.mark_unchanged();
        self.nodes.mark_unchanged();
    }

    /// Waits for something unseen, from `details` on for details too; none at the end. Can be dropped and called again. What it tells
    /// of is not told again.
    pub async fn next(&mut self, details: Instant) -> Option<Unseen> {
        let Self { outcomes, refusals, nodes, details: probed } = self;
        let probed = async {
            sleep_until(details).await;
            probed.changed().await
        };
        let (changed, unseen) = tokio::select! {
            biased;
            changed = probed => (changed, Unseen::Details),
            changed = outcomes.changed() => (changed, Unseen::News),
            changed = refusals.changed() => (changed, Unseen::News),
            changed = nodes.changed() => (changed, Unseen::News),
        };
        changed.ok().map(|()| unseen)
    }
}

/// Milliseconds of Unix time.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

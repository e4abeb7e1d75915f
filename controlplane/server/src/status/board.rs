//! The present statuses, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_controlplane_api::ObjectRef;
use tokio::sync::watch;

use super::facts::Facts;
use super::transitions::{Since, Transitions};
use super::{Statuses, statuses};
use crate::pipeline::Outcome;
use crate::push::{NodeState, PushServer};

/// Looks at the outcomes of the pipeline and at the nodes of the push server; remembers since when conditions hold.
#[derive(Clone, Debug)]
pub struct Board {
    outcomes: watch::Receiver<Arc<Outcome>>,
    push: PushServer,
    memory: Arc<Mutex<Transitions>>,
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
    nodes: watch::Receiver<u64>,
}

impl Board {
    /// Nothing is computed until somebody looks.
    pub fn new(outcomes: watch::Receiver<Arc<Outcome>>, push: PushServer) -> Self {
        Self { outcomes, push, memory: Arc::default() }
    }

    /// The state now.
    pub fn look(&self) -> Picture {
        // Held from before the facts are taken: what is remembered never goes back in time.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = Arc::clone(&*self.outcomes.borrow());
        let nodes = self.push.nodes();
        let mut statuses = statuses(&Facts::new(&outcome, &nodes));
        memory.stamp(&mut statuses, unix_ms(SystemTime::now())).iter().for_each(|turn| turn.log());
        drop(memory);
        Picture { outcome, nodes, statuses }
    }

    /// Takes over since when conditions hold from statuses that were written before, perhaps by another process.
    pub fn remember(&self, written: impl IntoIterator<Item = (ObjectRef, Vec<Since>)>) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        for (object, conditions) in written {
            memory.remember(&object, conditions);
        }
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
        Changes { outcomes: self.outcomes.clone(), nodes: self.push.changed() }
    }
}

impl Changes {
    /// What there is to see now has been seen.
    pub fn seen(&mut self) {
        self.outcomes.mark_unchanged();
        self.nodes.mark_unchanged();
    }

    /// Waits for something unseen; false at the end. Can be dropped and called again.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            changed = self.outcomes.changed() => changed.is_ok(),
            changed = self.nodes.changed() => changed.is_ok(),
        }
    }
}

/// Milliseconds of Unix time.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

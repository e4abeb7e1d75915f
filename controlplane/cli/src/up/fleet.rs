//! All children of one kind: made to match what should run.

use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::child::{Around, Spec, supervise};

/// Supervised children by a key that is stable over edits.
pub(crate) struct Fleet {
    around: Around,
    running: BTreeMap<String, Member>,
    /// Stopped, but perhaps not gone yet.
    leaving: Vec<JoinHandle<()>>,
}

struct Member {
    spec: Spec,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Fleet {
    /// Nothing runs.
    pub(crate) fn new(around: Around) -> Self {
        Self { around, running: BTreeMap::new(), leaving: Vec::new() }
    }

    /// Starts what is new, stops what is gone, restarts what has changed, and leaves the rest alone.
    pub(crate) fn reconcile(&mut self, mut wanted: BTreeMap<String, Spec>) {
        self.leaving.retain(|task| !task.is_finished());
        let gone: Vec<String> =
            self.running.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        for key in gone {
            if let Some(member) = self.running.remove(&key) {
                member.stop.send_replace(true);
                self.leaving.push(member.task);
            }
        }
        for (key, member) in &self.running {
            if wanted.get(key) == Some(&member.spec) {
                wanted.remove(key);
            }
        }
        for (key, spec) in wanted {
            let before = self.running.remove(&key);
            self.running.insert(key, self.start(spec, before));
        }
    }

    /// Stops all at once and waits until they are gone.
    pub(crate) async fn stop(mut self) {
        self.reconcile(BTreeMap::new());
        for task in self.leaving {
            let _ = task.await;
        }
    }

    /// Starts a child, after the one it replaces has gone: they would want the same port.
    fn start(&self, spec: Spec, before: Option<Member>) -> Member {
        let (stop, stopped) = watch::channel(false);
        let (around, what) = (self.around.clone(), spec.clone());
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.stop.send_replace(true);
                let _ = before.task.await;
            }
            if !*stopped.borrow() {
                supervise(what, around, stopped).await;
            }
        });
        Member { spec, stop, task }
    }
}

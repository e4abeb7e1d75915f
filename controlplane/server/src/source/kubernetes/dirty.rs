//! Tells the source that there is something to compile, and the writer that there is something to compare.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kube::Resource;
use tokio::sync::watch;

use super::mirror::Change;

/// Level-triggered marks; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Dirty {
    view: watch::Sender<u64>,
    observed: watch::Sender<u64>,
    revision: Arc<AtomicU64>,
}

impl Dirty {
    /// Something has changed that much.
    pub(super) fn mark(&self, change: Change) {
        if change >= Change::View {
            self.view.send_modify(|count| *count += 1);
        }
        if change >= Change::Observed {
            self.observed.send_modify(|count| *count += 1);
        }
    }

    /// An object came by: its version tells how new the view is (Kubernetes compares them as numbers since 1.35).
    pub(super) fn saw(&self, object: &impl Resource) {
        self.saw_version(object.meta().resource_version.as_deref());
    }

    /// As [`saw`](Self::saw), of a list.
    pub(super) fn saw_version(&self, version: Option<&str>) {
        let version = version.and_then(|version| version.parse().ok());
        self.revision.fetch_max(version.unwrap_or(0), Ordering::Relaxed);
    }

    /// The newest version of any object that was seen.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// Changes that matter to the view.
    pub(super) fn view(&self) -> watch::Receiver<u64> {
        self.view.subscribe()
    }

    /// Changes of anything that is observed.
    pub fn observed(&self) -> watch::Receiver<u64> {
        self.observed.subscribe()
    }
}

//! Sessions, and the GET streams that are open on them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::broadcast;

/// Events that may wait for a slow GET stream; older ones are lost to it.
const EVENTS_KEPT: usize = 64;

/// The sessions of one mock.
pub(crate) struct Sessions {
    open: RwLock<HashMap<String, ()>>,
    /// Differs between two runs, so that ids of an earlier run are unknown to this one.
    run: u64,
    next: AtomicU64,
    events: broadcast::Sender<Bytes>,
}

impl Sessions {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            open: RwLock::default(),
            run: RandomState::new().hash_one(std::process::id()),
            next: AtomicU64::new(1),
            events: broadcast::Sender::new(EVENTS_KEPT),
        }
    }

    /// Opens one and gives its id.
    pub(crate) fn open(&self) -> String {
        let id = format!("mock-{:016x}-{}", self.run, self.next.fetch_add(1, Ordering::Relaxed));
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), ());
        id
    }

    /// Whether it is open.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Ends one; false when it was not open.
    pub(crate) fn close(&self, id: &str) -> bool {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(id).is_some()
    }

    /// Forgets all of them, as a restart does.
    pub(crate) fn forget_all(&self) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What goes to every GET stream from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Bytes> {
        self.events.subscribe()
    }

    /// Sends an event to every open GET stream.
    pub(crate) fn send(&self, event: Bytes) {
        // an error only says that no stream is open
        let _ = self.events.send(event);
    }

    /// How many GET streams are open.
    pub(crate) fn streams(&self) -> usize {
        self.events.receiver_count()
    }
}

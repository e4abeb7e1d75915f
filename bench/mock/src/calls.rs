//! Calls that take time: found again by `notifications/cancelled`, and counted when their client goes away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::state::State;

/// The slow calls that run now, by session and request id (as written in JSON).
#[derive(Default)]
pub(crate) struct Calls {
    running: Mutex<HashMap<Key, Arc<Notify>>>,
}

type Key = (String, String);

/// One running call. Dropped without [`Running::finish`] it counts as a disconnect.
pub(crate) struct Running {
    state: Arc<State>,
    key: Key,
    cancelled: Arc<Notify>,
    finished: bool,
}

impl Calls {
    /// Tells the call that it was cancelled; false when there is none.
    pub(crate) fn cancel(&self, session: &str, id: &str) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(call) = running.get(&(session.to_owned(), id.to_owned())) else { return false };
        call.notify_one();
        true
    }

    /// How many run now.
    pub(crate) fn len(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Running {
    /// Registers a call.
    pub(crate) fn start(state: &Arc<State>, session: &str, id: &str) -> Self {
        let key = (session.to_owned(), id.to_owned());
        let cancelled = Arc::new(Notify::new());
        let mut running = state.calls.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(key.clone(), cancelled.clone());
        drop(running);
        Self { state: state.clone(), key, cancelled, finished: false }
    }

    /// Resolves when the client sent `notifications/cancelled` for it.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }

    /// The call ended as it should.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.finished {
            self.state.counters.disconnects.add(1);
        }
        self.state.calls.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

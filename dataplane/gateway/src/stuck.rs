//! Calls whose clients do not read. They are no load for their backend, but each holds a connection to it until its bound
//! passes. A quarter of a backend's connections stays free of them: what comes beyond costs the one that has been stuck
//! longest its call.

use crate::backend::BackendState;
use crate::session::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;

/// Since when a call is stuck, and a number of its own.
type Key = (Instant, u64);

/// The stuck calls of one backend; a call that is given up is no longer among them.
#[derive(Default)]
pub(crate) struct StuckCalls {
    next: AtomicU64,
    calls: Mutex<BTreeMap<Key, Waker>>,
}

/// One of them, until it is dropped.
pub(crate) struct Stuck {
    backend: Arc<BackendState>,
    key: Key,
}

impl StuckCalls {
    fn enter(&self, since: Instant, waker: &Waker, connections: u32) -> Key {
        let key = (since, self.next.fetch_add(1, Relaxed));
        let mut calls = lock(&self.calls);
        calls.insert(key, waker.clone());
        let over = calls.len() > most(connections);
        let longest = if over { calls.pop_first() } else { None };
        drop(calls);
        if let Some((_, waker)) = longest {
            waker.wake();
        }
        key
    }

    fn has(&self, key: Key) -> bool {
        lock(&self.calls).contains_key(&key)
    }

    fn leave(&self, key: Key) {
        lock(&self.calls).remove(&key);
    }
}

impl Stuck {
    pub(crate) fn new(backend: &Arc<BackendState>, since: Instant, waker: &Waker) -> Self {
        let key = backend.stuck.enter(since, waker, backend.spec.limits.connections);
        Self { backend: backend.clone(), key }
    }

    pub(crate) fn since(&self) -> Instant {
        self.key.0
    }

    /// Others need its connection more.
    pub(crate) fn given_up(&self) -> bool {
        !self.backend.stuck.has(self.key)
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.backend.stuck.leave(self.key);
    }
}

/// How many may be stuck where so many connections are allowed.
fn most(connections: u32) -> usize {
    usize::try_from((connections - connections.div_ceil(4)).max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_quarter_of_the_connections_is_not_for_stuck_calls_but_one_call_may_always_be() {
        for (connections, expected) in [(1, 1), (2, 1), (3, 2), (4, 3), (10, 7), (512, 384)] {
            assert_eq!(most(connections), expected, "{connections}");
        }
    }

    #[test]
    fn beyond_that_the_one_stuck_longest_is_given_up_also_when_it_came_last() {
        let (calls, start) = (StuckCalls::default(), Instant::now());
        let enter = |s| calls.enter(start + Duration::from_secs(s), Waker::noop(), 4);
        let keys: Vec<_> = [2, 1, 3, 4, 0].into_iter().map(enter).collect();
        let has: Vec<_> = keys.iter().map(|&k| calls.has(k)).collect();
        assert_eq!(has, [true, false, true, true, false]);
        keys.iter().for_each(|&k| calls.leave(k));
        let again = enter(5);
        assert!(calls.has(again), "who left makes room");
    }
}

//! The connections of one worker thread, so that a drain can wake those that wait for a request. The path of a
//! call does not touch it.

use hashbrown::HashMap;
use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll::Ready, Waker};

#[derive(Default)]
struct Wakers {
    next: u64,
    by_connection: HashMap<u64, Waker>,
}

thread_local!(static WAKERS: RefCell<Wakers> = RefCell::default());

/// A connection that can be woken while this lives.
pub(crate) struct Wakeable(u64);

impl Wakeable {
    /// Registers the task that awaits this. It must stay on its thread.
    pub(crate) async fn register() -> Self {
        poll_fn(|cx| {
            WAKERS.with_borrow_mut(|w| {
                w.next += 1;
                w.by_connection.insert(w.next, cx.waker().clone());
                Ready(Self(w.next))
            })
        })
        .await
    }
}

impl Drop for Wakeable {
    fn drop(&mut self) {
        // an error: the thread ends, and what it knew has gone
        let _ = WAKERS.try_with(|w| w.borrow_mut().by_connection.remove(&self.0));
    }
}

/// Wakes all connections of this thread.
pub(crate) fn wake_all() {
    WAKERS.with_borrow(|w| w.by_connection.values().for_each(Waker::wake_by_ref));
}

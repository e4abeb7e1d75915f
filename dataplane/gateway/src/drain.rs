//! The end of the process, in order: first no connection is taken any more, then clients are told to go
//! elsewhere and what is open is served to its end. Whoever is told to come back must not meet a listener that is
//! about to close, so the second step begins when the first is over.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;

/// Longest that an idle connection is kept open for a request that crosses with its close.
const LINGER: Duration = Duration::from_secs(1);

/// How far the end has come.
pub(crate) struct Drain {
    stopping: AtomicBool,
    stops: watch::Sender<bool>,
    draining: AtomicBool,
    drains: watch::Sender<bool>,
    /// listening sockets that are served
    listeners: watch::Sender<usize>,
    /// worker threads that take connections, or did
    opened: AtomicUsize,
}

/// A listening socket that is served; dropped when it is closed.
pub(crate) struct Listening<'d>(&'d Drain);

impl Drain {
    pub(crate) fn new() -> Self {
        Self {
            stopping: AtomicBool::new(false),
            stops: watch::channel(false).0,
            draining: AtomicBool::new(false),
            drains: watch::channel(false).0,
            listeners: watch::channel(0).0,
            opened: AtomicUsize::new(0),
        }
    }

    /// Announces that listeners will close, before anybody is woken.
    pub(crate) fn announce(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Wakes the accept loops to take what has arrived, and end.
    pub(crate) fn stop(&self) {
        self.announce();
        self.stops.send_replace(true);
    }

    /// From here on every answer ends its connection.
    pub(crate) fn begin(&self) {
        self.draining.store(true, Relaxed);
        self.drains.send_replace(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    pub(crate) fn stops(&self) -> watch::Receiver<bool> {
        self.stops.subscribe()
    }

    pub(crate) fn drains(&self) -> watch::Receiver<bool> {
        self.drains.subscribe()
    }

    pub(crate) fn listening(&self) -> Listening<'_> {
        self.listeners.send_modify(|n| *n += 1);
        Listening(self)
    }

    /// Waits until every listening socket is closed.
    pub(crate) async fn closed(&self) {
        // an error means that the sender is gone, which `self` holds
        let _ = self.listeners.subscribe().wait_for(|n| *n == 0).await;
    }

    /// One more worker thread takes connections.
    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    pub(crate) fn all_opened(&self, workers: usize) -> bool {
        self.opened.load(Relaxed) >= workers
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.listeners.send_modify(|n| *n -= 1);
    }
}

/// How long an idle connection stays open once a drain of `grace` has begun.
pub(crate) fn linger(grace: Duration) -> Duration {
    LINGER.min(grace / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_lingers_for_a_second_and_never_longer_than_half_the_grace() {
        for (grace, expected) in [(0, 0), (1_000, 500), (2_000, 1_000), (600_000, 1_000)] {
            assert_eq!(linger(Duration::from_millis(grace)), Duration::from_millis(expected), "{grace}");
        }
    }

    #[tokio::test]
    async fn it_is_closed_when_the_last_listener_is() {
        let drain = Drain::new();
        let (first, second) = (drain.listening(), drain.listening());
        drop(first);
        assert!(futures_util::FutureExt::now_or_never(drain.closed()).is_none());
        drop(second);
        drain.closed().await;
    }
}

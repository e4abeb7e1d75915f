//! One timer per connection for its whole life. Arming it for a request is a store: the registered
//! timer is moved only when the new bound is earlier than the one it already waits for, and when it
//! fires before the bound (which is then later) it is set again. Precise to tokio's millisecond.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};
use tokio::time::Sleep;

#[derive(Debug)]
pub(crate) struct Deadline {
    due: Instant,
    sleep: Pin<Box<Sleep>>,
    /// the timer has not seen this task's waker since it was last set
    fresh: bool,
}

impl Deadline {
    pub(crate) fn new(now: Instant, after: Duration) -> Self {
        let due = now + after;
        Self { due, sleep: Box::pin(tokio::time::sleep_until(due.into())), fresh: true }
    }

    /// Moves the bound to `after` from `now`.
    pub(crate) fn arm(&mut self, now: Instant, after: Duration) {
        self.due = now + after;
        if self.due < self.sleep.deadline().into_std() {
            self.set();
        }
    }

    /// Has the bound passed? If not, the task is woken when it does.
    pub(crate) fn expired(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if self.fresh {
                self.fresh = false;
                if self.sleep.as_mut().poll(cx).is_pending() {
                    return false;
                }
            } else if !self.sleep.is_elapsed() {
                return false;
            }
            if Instant::now() >= self.due {
                return true;
            }
            self.set();
        }
    }

    /// What is left of the bound.
    pub(crate) fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    fn set(&mut self) {
        self.sleep.as_mut().reset(self.due.into());
        self.fresh = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    async fn wait(d: &mut Deadline) {
        poll_fn(|cx| if d.expired(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    #[tokio::test]
    async fn it_fires_at_the_last_bound_never_before() {
        let now = Instant::now();
        let mut d = Deadline::new(now, Duration::from_secs(60));
        d.arm(now, Duration::from_millis(5));
        d.arm(now, Duration::from_millis(40));
        wait(&mut d).await;
        assert!(now.elapsed() >= Duration::from_millis(40));
        d.arm(Instant::now(), Duration::from_millis(5));
        let again = Instant::now();
        wait(&mut d).await;
        assert!(again.elapsed() >= Duration::from_millis(4));
    }
}

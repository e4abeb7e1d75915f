//! One timer per connection for its whole life. Arming it for a request is a store: the registered
//! timer is moved only when the new bound is earlier than the one it already waits for, and when it
//! fires before the bound (which is then later) it is set again. Precise to tokio's millisecond.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

#[derive(Debug)]
pub(crate) struct Deadline {
    due: Instant,
    sleep: Pin<Box<Sleep>>,
    /// the timer has not seen this task's waker since it was last set
    fresh: bool,
}

impl Deadline {
    pub(crate) fn new(now: std::time::Instant, after: Duration) -> Self {
        let due = Instant::from_std(now) + after;
        Self { due, sleep: Box::pin(tokio::time::sleep_until(due)), fresh: true }
    }

    /// Moves the bound to `after` from `now`.
    pub(crate) fn arm(&mut self, now: std::time::Instant, after: Duration) {
        self.arm_at(Instant::from_std(now) + after);
    }

    fn arm_at(&mut self, due: Instant) {
        self.due = due;
        if self.due < self.sleep.deadline() {
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
        self.sleep.as_mut().reset(self.due);
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

    const BOUNDS_MS: [u64; 8] = [50, 51, 100, 250, 1_000, 5_000, 30_000, 120_000];

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn new(after: Duration) -> Deadline {
        let due = Instant::now() + after;
        Deadline { due, sleep: Box::pin(tokio::time::sleep_until(due)), fresh: true }
    }

    /// The clock is tokio's and stands still while anything can run: what is measured is the timer alone.
    #[tokio::test(start_paused = true)]
    async fn it_fires_within_two_milliseconds_of_any_bound_never_before() {
        for bound in BOUNDS_MS.map(ms) {
            // armed anew on a connection that waited for something longer, shorter, or is new
            for before in [None, Some(ms(120_500)), Some(ms(20))] {
                let mut d = new(before.unwrap_or(bound));
                tokio::time::advance(ms(7)).await;
                let start = Instant::now();
                d.arm_at(start + bound);
                wait(&mut d).await;
                let took = start.elapsed();
                assert!(took >= bound && took <= bound + ms(2), "{bound:?} after {before:?}: {took:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_moves_an_idle_bound_and_the_last_one_counts() {
        for idle in BOUNDS_MS.map(ms) {
            let mut d = new(idle);
            for _ in 0..20 {
                tokio::time::advance(idle * 9 / 10).await;
                assert!(!poll_fn(|cx| Poll::Ready(d.expired(cx))).await);
                d.arm_at(Instant::now() + idle);
            }
            let start = Instant::now();
            wait(&mut d).await;
            assert!(
                start.elapsed() >= idle && start.elapsed() <= idle + ms(2),
                "{idle:?}: {:?}",
                start.elapsed()
            );
        }
    }
}

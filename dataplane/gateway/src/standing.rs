//! How a backend stands with one virtual server: its health by that server's thresholds, and its circuit breakers.
//! Outlives snapshots. A call of a backend that is well reads two atomics and takes no lock.

mod cell;

use crate::metrics::Tally;
use crate::session::{lock, unix_ms};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidegate_dataplane_core::breaker::{Breaker, Policy, Position, Verdict};
use tidegate_dataplane_core::health::{Health, Sample, Tracker};

pub(crate) use cell::{Cell, Grant, Refused};

pub(crate) struct Standing {
    clock: Clock,
    health: Mutex<Probed>,
    /// probes fail or did not begin: a call that succeeds is news for the prober
    unwell: AtomicBool,
    /// calls that failed in a row, for backends that nobody probes
    failed_calls: AtomicU32,
    pub(crate) breaker: Option<Cell>,
    /// by native tool name, where each tool has its own
    tools: Mutex<HashMap<Box<str>, Arc<Cell>>>,
    pub(crate) stats: StandingStats,
}

/// What probes found.
struct Probed {
    tracker: Tracker,
    /// When this server wants the next probe.
    due: Duration,
    checked_unix_ms: u64,
}

/// Transitions, for metrics.
#[derive(Debug, Default)]
pub(crate) struct StandingStats {
    /// By [`Health`].
    pub(crate) health: [AtomicU64; 5],
    /// By [`Position`].
    pub(crate) breaker: [AtomicU64; 3],
    /// Calls that a breaker refused.
    pub(crate) refused: Tally,
}

/// Time since the gateway's start: what breakers and trackers count in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

/// What the status says of it.
pub(crate) struct StandingView {
    pub(crate) health: Health,
    pub(crate) message: String,
    pub(crate) failures: u32,
    pub(crate) checked_unix_ms: u64,
    pub(crate) breaker: Option<BreakerView>,
}

/// What the status says of a breaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BreakerView {
    pub(crate) position: Position,
    /// 0: never.
    pub(crate) changed_unix_ms: u64,
    pub(crate) failures: u32,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn at(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.0)
    }

    pub(crate) fn now(self) -> Duration {
        self.at(Instant::now())
    }

    /// A point in time for people.
    fn unix_ms(self, then: Duration) -> u64 {
        let ago = self.now().saturating_sub(then);
        unix_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
    }

    /// As tokio's timers count.
    pub(crate) fn instant(self, then: Duration) -> tokio::time::Instant {
        (self.0 + then).into()
    }
}

impl Standing {
    /// Nothing is known yet; the first probe is due at once.
    pub(crate) fn new(clock: Clock, breaker: Option<Policy>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            health: Mutex::new(Probed {
                tracker: Tracker::default(),
                due: Duration::ZERO,
                checked_unix_ms: 0,
            }),
            unwell: AtomicBool::new(true),
            failed_calls: AtomicU32::new(0),
            breaker: breaker.map(Cell::new),
            tools: Mutex::default(),
            stats: StandingStats::default(),
        })
    }

    /// The same health under another breaker.
    pub(crate) fn with_breaker(&self, breaker: Option<Policy>) -> Arc<Self> {
        let health = lock(&self.health);
        Arc::new(Self {
            clock: self.clock,
            health: Mutex::new(Probed {
                tracker: health.tracker.clone(),
                due: health.due,
                checked_unix_ms: health.checked_unix_ms,
            }),
            unwell: AtomicBool::new(self.unwell.load(Relaxed)),
            failed_calls: AtomicU32::new(self.failed_calls.load(Relaxed)),
            breaker: breaker.map(Cell::new),
            tools: Mutex::default(),
            stats: StandingStats::default(),
        })
    }

    pub(crate) fn policy(&self) -> Option<Policy> {
        self.breaker.as_ref().map(Cell::policy)
    }

    /// The breaker of one tool, made when it is first asked for.
    pub(crate) fn tool(&self, native: &str, policy: Policy) -> Arc<Cell> {
        lock(&self.tools).entry(native.into()).or_insert_with(|| Arc::new(Cell::new(policy))).clone()
    }

    /// Forgets the breakers of tools that are gone.
    pub(crate) fn retain_tools(&self, exists: impl Fn(&str) -> bool) {
        lock(&self.tools).retain(|native, _| exists(native));
    }

    pub(crate) fn health(&self) -> Health {
        lock(&self.health).tracker.health()
    }

    /// When this server wants the next probe.
    pub(crate) fn due(&self) -> Duration {
        lock(&self.health).due
    }

    /// Wants one within `interval`: an edit may have made it shorter.
    pub(crate) fn due_within(&self, interval: Duration) {
        let mut health = lock(&self.health);
        health.due = health.due.min(self.clock.now() + interval);
    }

    /// Wants a probe at once.
    pub(crate) fn make_due(&self) {
        lock(&self.health).due = Duration::ZERO;
    }

    /// Takes a probe's outcome if one was due, or if it is good news; the new health when it changed.
    pub(crate) fn probed(
        &self,
        sample: Sample,
        now: Duration,
        interval: Duration,
        threshold: u32,
    ) -> Option<Health> {
        let mut p = lock(&self.health);
        let good_news = matches!(sample, Sample::Success { .. }) && p.tracker.failures() > 0;
        let first = p.checked_unix_ms == 0;
        if p.due > now && !good_news && !first {
            return None;
        }
        p.due = now + interval;
        p.checked_unix_ms = unix_ms();
        let changed = p.tracker.observe(sample, threshold);
        let well = matches!(p.tracker.health(), Health::Healthy | Health::Degraded);
        self.unwell.store(!well || p.tracker.failures() > 0, Relaxed);
        if let Some(to) = changed {
            self.stats.health[to as usize].fetch_add(1, Relaxed);
        }
        changed
    }

    /// Is a call that succeeds worth telling the prober?
    pub(crate) fn unwell(&self) -> bool {
        self.unwell.load(Relaxed)
    }

    /// Counts what calls say, for a backend that nobody probes.
    pub(crate) fn called(&self, verdict: Verdict) {
        match verdict {
            Verdict::Success if self.failed_calls.load(Relaxed) == 0 => {}
            Verdict::Success => self.failed_calls.store(0, Relaxed),
            Verdict::Failure => drop(self.failed_calls.fetch_add(1, Relaxed)),
            Verdict::None => {}
        }
    }

    /// Is it kept out of lists and of new sessions (spec 5.4, 5.5)? While the breaker waits for its trial, only that of
    /// a probed backend hides: nobody else could make the trial of one that is not probed.
    pub(crate) fn hidden(&self, probed: bool) -> bool {
        if probed && !self.health().is_used() {
            return true;
        }
        let Some(breaker) = &self.breaker else { return false };
        match breaker.get(|b| (b.position(), b.open_until())) {
            (Position::Closed, _) => false,
            (Position::Open, Some(until)) => probed || self.clock.now() < until,
            _ => probed,
        }
    }

    /// When the breaker takes a trial, if nobody makes it already.
    pub(crate) fn trial_at(&self) -> Option<Duration> {
        self.breaker.as_ref()?.get(Breaker::trial_due)
    }

    pub(crate) fn view(&self, probed: bool) -> StandingView {
        let (health, text, failures, checked_unix_ms) = {
            let p = lock(&self.health);
            (p.tracker.health(), p.tracker.message(), p.tracker.failures(), p.checked_unix_ms)
        };
        let breaker = self.breaker.as_ref().map(|cell| cell.view(self.clock));
        let mut view = StandingView { health, message: text, failures, checked_unix_ms, breaker };
        if !probed {
            self.describe_unprobed(&mut view);
        }
        match view.breaker.map(|b| b.position) {
            Some(Position::Open) => view.message.insert_str(0, "Circuit breaker OPEN - "),
            Some(Position::HalfOpen) => view.message.insert_str(0, "Circuit breaker testing recovery - "),
            Some(Position::Closed) | None => {}
        }
        view
    }

    fn describe_unprobed(&self, view: &mut StandingView) {
        view.health = Health::Unknown;
        view.checked_unix_ms = 0;
        view.failures = self.failed_calls.load(Relaxed);
        view.message = match view.failures {
            0 => "Unknown (not probed)".into(),
            n => format!("Unknown (not probed; the last {n} calls failed)"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_is_not_due_counts_only_as_good_news() {
        let s = Standing::new(Clock::start(), None);
        let (second, fail) =
            (Duration::from_secs(1), Sample::Failure(tidegate_dataplane_core::health::Cause::Timeout));
        let ok = Sample::Success { slow: false };
        let at = |t, sample| s.probed(sample, t * second, 10 * second, 2);
        assert_eq!(at(0, ok), Some(Health::Healthy));
        assert_eq!(at(1, fail), None, "not due");
        assert_eq!(at(10, fail), None, "one of two");
        assert_eq!(at(11, fail), None, "not due");
        assert_eq!(at(20, fail), Some(Health::Unhealthy));
        assert_eq!(at(21, ok), Some(Health::Degraded), "good news");
        assert_eq!(at(22, ok), None, "not due: one cycle degraded");
        assert_eq!(at(31, ok), Some(Health::Healthy));
    }
}

//! A circuit breaker that many threads ask: while it is closed and without failures, by one atomic and no lock.

use super::{BreakerView, Clock};
use crate::session::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tidegate_dataplane_core::breaker::{Admission, Breaker, Policy, Position, Ticket, Verdict};

/// A breaker that many threads ask.
pub(crate) struct Cell {
    /// the period, and in the lowest bit whether there is more to know than that
    word: AtomicU32,
    inner: Mutex<Breaker>,
}

/// A breaker's leave to send once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) ticket: Ticket,
    /// What is sent decides whether it closes.
    pub(crate) trial: bool,
    /// It went from open to half-open with this.
    pub(crate) moved: bool,
}

/// A breaker's answer when it lets nothing through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) position: Position,
    pub(crate) retry_after: Duration,
}

impl Cell {
    pub(super) fn new(policy: Policy) -> Self {
        let breaker = Breaker::new(policy);
        Self { word: AtomicU32::new(word(&breaker)), inner: Mutex::new(breaker) }
    }

    /// May something be sent?
    #[inline]
    pub(crate) fn admit(&self, now: Duration) -> Result<Grant, Refused> {
        let word = self.word.load(Relaxed);
        if word & 1 == 0 {
            return Ok(Grant { ticket: Ticket::of_period(word >> 1), trial: false, moved: false });
        }
        self.ask(now)
    }

    #[cold]
    fn ask(&self, now: Duration) -> Result<Grant, Refused> {
        self.with(|b| {
            let before = b.period();
            match b.admit(now) {
                Admission::Granted(ticket) => {
                    let trial = b.position() == Position::HalfOpen;
                    Ok(Grant { ticket, trial, moved: b.period() != before })
                }
                Admission::Refused { retry_after } => Err(Refused { position: b.position(), retry_after }),
            }
        })
    }

    /// Takes an outcome; the new position when it changed.
    #[inline]
    pub(crate) fn record(
        &self,
        ticket: Ticket,
        verdict: Verdict,
        now: impl FnOnce() -> Duration,
    ) -> Option<Position> {
        let clean = self.word.load(Relaxed) == ticket.period() << 1;
        if clean && verdict != Verdict::Failure {
            return None;
        }
        self.with(|b| b.record(ticket, verdict, now()))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Breaker) -> R) -> R {
        let mut b = lock(&self.inner);
        let r = f(&mut b);
        self.word.store(word(&b), Relaxed);
        r
    }

    pub(super) fn get<R>(&self, f: impl FnOnce(&Breaker) -> R) -> R {
        f(&lock(&self.inner))
    }

    pub(crate) fn policy(&self) -> Policy {
        self.get(Breaker::policy)
    }

    pub(super) fn view(&self, clock: Clock) -> BreakerView {
        self.get(|b| BreakerView {
            position: b.position(),
            changed_unix_ms: b.changed().map_or(0, |then| clock.unix_ms(then)),
            failures: b.failures(),
        })
    }
}

/// Periods are kept in 31 bits here, and as many are compared: a ticket outlives no 2^31 changes.
fn word(b: &Breaker) -> u32 {
    b.period() << 1 | u32::from(!b.is_clean())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_that_is_closed_and_clean_is_not_locked() {
        let policy = Policy { failure_threshold: 2, open_for: Duration::from_secs(1) };
        let cell = Cell::new(policy);
        let held = lock(&cell.inner);
        let at = |s| move || Duration::from_secs(s);
        let Grant { ticket, trial, .. } = cell.admit(at(0)()).unwrap();
        assert!(!trial);
        assert_eq!(cell.record(ticket, Verdict::Success, at(0)), None);
        drop(held);
        cell.record(ticket, Verdict::Failure, at(0));
        assert_eq!(cell.record(ticket, Verdict::Failure, at(0)), Some(Position::Open));
        assert!(cell.admit(at(0)()).is_err());
        let Grant { ticket: trial, trial: is_trial, moved } = cell.admit(at(1)()).unwrap();
        assert!(is_trial && moved);
        assert_eq!(cell.record(ticket, Verdict::Success, at(1)), None, "an old ticket");
        assert_eq!(cell.record(trial, Verdict::Success, at(2)), Some(Position::Closed));
    }
}

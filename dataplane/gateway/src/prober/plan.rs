//! When a backend is looked at next, and for what.

use crate::snapshot::Member;
use crate::standing::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How often a list is read again when nothing announces a change: a backend that is probed, and one that is not.
const LIST: Duration = Duration::from_secs(30);
const LIST_UNPROBED: Duration = Duration::from_secs(300);

/// Between two reads of a list that keeps changing.
const LIST_AGAIN: Duration = Duration::from_millis(100);

/// First and longest wait for a backend that never answered; the latter also for one that is not probed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const BACKOFF_UNPROBED: Duration = Duration::from_secs(60);

/// Calls that fail, and breakers that want a trial, bring a probe forward: to no less than this part of the interval
/// after the last one, between 1 and 5 s.
const HINTED: u32 = 10;
const HINTED_MIN: Duration = Duration::from_secs(1);
const HINTED_MAX: Duration = Duration::from_secs(5);

pub(super) struct Plan {
    clock: Clock,
    slot: u32,
    /// When it was last looked at.
    looked: Option<Duration>,
    /// When the list was last read.
    listed: Option<Duration>,
    /// The list is to be read at that time.
    list_at: Option<Duration>,
    /// It answered at least once.
    answered: bool,
    /// The wait after the next failure, while it never answered; then no longer looked at.
    backoff: Duration,
    /// A call asked for a probe at that time.
    hint: Option<Duration>,
    /// The last trial that was announced.
    announced: Duration,
    /// Counts draws of [`Plan::jitter`].
    draws: u32,
}

/// What comes next.
pub(super) struct Next {
    pub(super) at: Duration,
    /// Look at the backend.
    pub(super) look: bool,
    /// A breaker that only a call can try has waited long enough.
    pub(super) retry_listing: bool,
}

impl Plan {
    pub(super) fn new(clock: Clock, slot: u32) -> Self {
        Self {
            clock,
            slot,
            looked: None,
            listed: None,
            list_at: None,
            answered: false,
            backoff: BACKOFF.0,
            hint: None,
            announced: Duration::ZERO,
            draws: 0,
        }
    }

    /// The tools behind a breaker came back at that time, for a call to try it.
    pub(super) fn announced(&mut self, at: Duration) {
        self.announced = at;
    }

    pub(super) fn next(&self, users: &[Arc<Member>]) -> Next {
        let look = self.look_at(users);
        let untried = |m: &&Arc<Member>| !m.probed;
        let trials = users.iter().filter(untried).filter_map(|m| m.standing.trial_at());
        let trial = trials.filter(|t| *t > self.announced).min();
        match trial {
            Some(at) if at < look => Next { at, look: false, retry_listing: true },
            _ => Next { at: look, look: true, retry_listing: false },
        }
    }

    /// The earliest of all reasons to look.
    fn look_at(&self, users: &[Arc<Member>]) -> Duration {
        let Some(looked) = self.looked else { return Duration::ZERO };
        let probed = || users.iter().filter(|m| m.probed);
        let due = probed().map(|m| m.standing.due().max(looked + BACKOFF.0));
        let again = looked + soonest(users).unwrap_or_default();
        let trials = probed().filter_map(|m| m.standing.trial_at()).map(|at| at.max(again));
        // a breaker's trial and a probe that is due are the same look
        let probe = due.chain(trials).min();
        let list = match (self.answered, probe) {
            (false, _) => Some(looked + self.backoff),
            (true, Some(_)) => self.list_at,
            (true, None) => {
                let again = self.listed.unwrap_or(looked) + self.spread(LIST_UNPROBED);
                Some(self.list_at.unwrap_or(again))
            }
        };
        [probe, list, self.hint].into_iter().flatten().min().unwrap_or(looked + LIST)
    }

    /// Is the list to be read with the next look?
    pub(super) fn list_due(&self, has_list: bool) -> bool {
        let now = self.clock.now();
        let old = self.listed.is_none_or(|listed| now >= listed + LIST);
        !has_list || old || self.list_at.is_some_and(|at| at <= now)
    }

    pub(super) fn listed(&mut self) {
        self.listed = Some(self.clock.now());
    }

    pub(super) fn list_changed(&mut self) {
        let now = self.clock.now();
        let again = self.listed.map_or(now, |listed| listed + LIST_AGAIN);
        self.list_at = Some(now.max(again));
    }

    /// A call failed, or worked although nothing was to be expected of it.
    pub(super) fn hinted(&mut self, users: &[Arc<Member>]) {
        let Some(again) = soonest(users) else { return };
        let at = self.looked.unwrap_or_default() + again;
        self.hint = Some(at.max(self.clock.now()));
    }

    /// Something is known to be new.
    pub(super) fn at_once(&mut self) {
        self.hint = Some(self.clock.now());
    }

    /// A look began at `now` and is over.
    pub(super) fn looked(&mut self, now: Duration, answered: bool, probed: bool) {
        self.hint = None;
        self.looked = Some(now);
        if answered {
            self.answered = true;
            self.list_at = None;
            return;
        }
        let longest = if probed { BACKOFF.1 } else { BACKOFF_UNPROBED };
        self.backoff = (self.backoff * 2).min(longest);
        // a list that was asked for and not had is asked for again, less eagerly
        self.list_at = self.list_at.map(|_| now + longest);
    }

    /// Was the look that began at `now` asked for by a call?
    pub(super) fn was_hinted(&self, now: Duration) -> bool {
        self.hint.is_some_and(|hint| hint <= now)
    }

    /// An interval, up to a tenth shorter: many probers do not act at once, and nobody waits longer than was said.
    pub(super) fn jitter(&mut self, interval: Duration) -> Duration {
        self.draws = self.draws.wrapping_add(1);
        self.spread(interval)
    }

    fn spread(&self, interval: Duration) -> Duration {
        let draw = (self.slot ^ self.draws.rotate_left(16)).wrapping_mul(0x9E37_79B9) >> 16;
        interval - interval.mul_f64(f64::from(draw) / f64::from(u16::MAX) / 10.0)
    }
}

/// After how long a look may follow another that was not due yet; none where nobody probes.
fn soonest(users: &[Arc<Member>]) -> Option<Duration> {
    let interval = users.iter().filter(|m| m.probed).map(|m| m.health.interval).min()?;
    Some((interval / HINTED).clamp(HINTED_MIN, HINTED_MAX).min(interval))
}

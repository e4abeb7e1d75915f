//! The circuit breaker of one backend in one virtual server, or of one of its tools (spec 5.4): closed, open,
//! half-open with exactly one trial. Pure: takes what happened and when, says what follows.
//!
//! Who wants to send asks with [`Breaker::admit`] and brings the ticket back with the outcome. A ticket of an earlier
//! period says nothing of the present one: what was sent before the breaker opened neither opens it again nor closes it.

use std::time::Duration;

/// What a caller is told to wait while another's trial is on its way, whose end nobody knows.
const TRIAL_RETRY: Duration = Duration::from_secs(1);

/// One breaker. `now` is always the time since some fixed point, and never goes back.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: Policy,
    state: State,
    /// Consecutive failures while closed.
    failures: u32,
    /// Counts changes of state.
    period: u32,
    changed: Option<Duration>,
}

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Consecutive failures that open it; at least 1.
    pub failure_threshold: u32,
    /// From opening to the first trial.
    pub open_for: Duration,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open,
    /// One trial decides.
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Duration },
    HalfOpen { on_trial: bool },
}

/// The answer to [`Breaker::admit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go ahead, and tell the outcome with the ticket.
    Granted(Ticket),
    /// Not now.
    Refused {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Leave to send once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    period: u32,
}

/// What became of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The backend answered.
    Success,
    /// Transport error, timeout or HTTP 5xx.
    Failure,
    /// Says nothing about the backend: the client left, or it was never sent.
    None,
}

impl Breaker {
    /// A closed one.
    pub fn new(policy: Policy) -> Self {
        Self { policy, state: State::Closed, failures: 0, period: 0, changed: None }
    }

    /// May something be sent? After the open time the first to ask gets the trial.
    pub fn admit(&mut self, now: Duration) -> Admission {
        match self.state {
            State::Closed => Admission::Granted(self.ticket()),
            State::Open { until } if now < until => Admission::Refused { retry_after: until - now },
            State::HalfOpen { on_trial: true } => Admission::Refused { retry_after: TRIAL_RETRY },
            State::Open { .. } => {
                self.enter(State::HalfOpen { on_trial: true }, now);
                Admission::Granted(self.ticket())
            }
            State::HalfOpen { on_trial: false } => {
                self.state = State::HalfOpen { on_trial: true };
                Admission::Granted(self.ticket())
            }
        }
    }

    /// Takes an outcome; the new position when it changed.
    pub fn record(&mut self, ticket: Ticket, verdict: Verdict, now: Duration) -> Option<Position> {
        if ticket.period != self.period {
            return None;
        }
        match (self.state, verdict) {
            (State::Closed, Verdict::Success) => {
                self.failures = 0;
                None
            }
            (State::Closed, Verdict::Failure) => {
                self.failures = self.failures.saturating_add(1);
                (self.failures >= self.policy.failure_threshold).then(|| self.open(now))
            }
            (State::HalfOpen { .. }, Verdict::Success) => {
                self.failures = 0;
                Some(self.enter(State::Closed, now))
            }
            (State::HalfOpen { .. }, Verdict::Failure) => {
                self.failures = self.failures.saturating_add(1);
                Some(self.open(now))
            }
            (State::HalfOpen { .. }, Verdict::None) => {
                self.state = State::HalfOpen { on_trial: false };
                None
            }
            (State::Closed, Verdict::None) | (State::Open { .. }, _) => None,
        }
    }

    /// Where it stands. Open stays open until somebody asks, also after its time.
    pub fn position(&self) -> Position {
        match self.state {
            State::Closed => Position::Closed,
            State::Open { .. } => Position::Open,
            State::HalfOpen { .. } => Position::HalfOpen,
        }
    }

    /// Until when nothing passes, while it is open.
    pub fn open_until(&self) -> Option<Duration> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    /// Since when, or from when on, a trial is wanted that nobody makes.
    pub fn trial_due(&self) -> Option<Duration> {
        match self.state {
            State::Open { until } => Some(until),
            State::HalfOpen { on_trial: false } => self.changed,
            State::Closed | State::HalfOpen { on_trial: true } => None,
        }
    }

    /// Closed and without failures: a success says nothing new. While this holds the ticket of
    /// [`Breaker::admit`] is [`Ticket::of_period`] of [`Breaker::period`], which lets a caller keep both in an atomic.
    pub fn is_clean(&self) -> bool {
        matches!(self.state, State::Closed) && self.failures == 0
    }

    /// Counts changes of position.
    pub fn period(&self) -> u32 {
        self.period
    }

    /// Consecutive failures so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When the position last changed; None: never.
    pub fn changed(&self) -> Option<Duration> {
        self.changed
    }

    /// With which settings it runs.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    fn ticket(&self) -> Ticket {
        Ticket { period: self.period }
    }

    fn open(&mut self, now: Duration) -> Position {
        self.enter(State::Open { until: now + self.policy.open_for }, now)
    }

    fn enter(&mut self, state: State, now: Duration) -> Position {
        self.state = state;
        self.period = self.period.wrapping_add(1);
        self.changed = Some(now);
        self.position()
    }
}

impl Ticket {
    /// What [`Breaker::admit`] grants in this period.
    pub fn of_period(period: u32) -> Self {
        Self { period }
    }

    /// The period that it belongs to.
    pub fn period(self) -> u32 {
        self.period
    }
}

impl Position {
    /// As in `circuitBreakerState` (spec 1.5.5).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

#[cfg(test)]
mod tests;

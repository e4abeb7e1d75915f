//! Whether the other end is there: each end pings, any message counts as a sign of life.

use std::time::Duration;

use super::Terms;

/// Keep-alive of one end of one stream.
#[derive(Clone, Debug)]
pub(super) struct Liveness {
    terms: Terms,
    heard_at: Duration,
    pinged_at: Duration,
    pings: u64,
}

/// What the time demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// A ping with this id.
    Ping(u64),
    /// The other end is dead.
    Dead,
}

impl Liveness {
    pub(super) fn new(terms: Terms, now: Duration) -> Self {
        Self { terms, heard_at: now, pinged_at: now, pings: 0 }
    }

    pub(super) fn heard(&mut self, now: Duration) {
        self.heard_at = self.heard_at.max(now);
    }

    pub(super) fn tick(&mut self, now: Duration) -> Due {
        if now.saturating_sub(self.heard_at) >= self.terms.dead_after {
            return Due::Dead;
        }
        if now.saturating_sub(self.pinged_at) < self.terms.ping_every {
            return Due::Nothing;
        }
        self.pinged_at = now;
        self.pings += 1;
        Due::Ping(self.pings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_end_is_pinged_and_then_dead() {
        let at = Duration::from_secs;
        let mut liveness = Liveness::new(Terms::default(), at(0));
        let steps: Vec<_> = [5, 10, 15, 20, 29, 30].map(|s| liveness.tick(at(s))).into();
        assert_eq!(steps, [Due::Nothing, Due::Ping(1), Due::Nothing, Due::Ping(2), Due::Nothing, Due::Dead]);
        liveness.heard(at(30));
        assert_eq!(liveness.tick(at(59)), Due::Ping(3));
        assert_eq!(liveness.tick(at(60)), Due::Dead);
    }
}

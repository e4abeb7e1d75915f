//! The election without I/O: what one candidate concludes from what it sees of the Lease, by its own clock alone.

use std::time::Duration;

/// A Lease that has not changed for so long has run out, in seconds.
pub(super) const DURATION_S: i32 = 15;
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long does not lead any more, before anybody else can.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Empty: nobody.
    pub(super) holder: String,
    /// Changes with every write.
    pub(super) version: String,
    /// How often the holder has changed.
    pub(super) transitions: i32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Somebody else holds it.
    Wait,
    /// Write the own name.
    Take {
        /// Count of holders, the new one included.
        transitions: i32,
    },
    /// Write the time.
    Renew,
}

/// What one candidate knows. Times are since any fixed moment.
#[derive(Clone, Debug)]
pub(super) struct Election {
    identity: String,
    /// The Lease as last seen, and when it was first seen like that.
    seen: Option<(Record, Duration)>,
    /// When the own name was last written.
    renewed: Option<Duration>,
}

impl Election {
    pub(super) fn new(identity: &str) -> Self {
        Self { identity: identity.to_owned(), seen: None, renewed: None }
    }

    /// The Lease is like this now; none: there is none.
    pub(super) fn observe(&mut self, record: Option<Record>, now: Duration) -> Move {
        let Some(record) = record else {
            (self.seen, self.renewed) = (None, None);
            return Move::Take { transitions: 0 };
        };
        let since = match &self.seen {
            Some((seen, since)) if *seen == record => *since,
            _ => now,
        };
        self.seen = Some((record.clone(), since));
        if record.holder == self.identity {
            return Move::Renew;
        }
        self.renewed = None;
        if record.holder.is_empty() || now.saturating_sub(since) >= DURATION {
            return Move::Take { transitions: record.transitions.saturating_add(1) };
        }
        Move::Wait
    }

    /// The Lease has been written, and is like this since.
    pub(super) fn wrote(&mut self, record: Record, now: Duration) {
        self.renewed = (record.holder == self.identity).then_some(now);
        self.seen = Some((record, now));
    }

    /// Whether somebody else leads, as far as can be seen.
    pub(super) fn another_leads(&self, now: Duration) -> bool {
        self.seen.as_ref().is_some_and(|(record, since)| {
            let theirs = !record.holder.is_empty() && record.holder != self.identity;
            theirs && now.saturating_sub(*since) < DURATION
        })
    }

    /// Whether this candidate may act as the leader.
    pub(super) fn leads(&self, now: Duration) -> bool {
        self.renewed.is_some_and(|renewed| now.saturating_sub(renewed) < DEADLINE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, version: u32) -> Record {
        Record { holder: holder.to_owned(), version: version.to_string(), transitions: 3 }
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken() {
        let mut a = Election::new("a");
        assert_eq!(a.observe(None, at(0)), Move::Take { transitions: 0 });
        assert!(!a.leads(at(0)), "before it is written");
        a.wrote(record("a", 1), at(0));
        assert!(a.leads(at(9)) && !a.leads(at(10)) && !a.another_leads(at(1)));
        assert_eq!(a.observe(Some(record("a", 1)), at(2)), Move::Renew);
        assert_eq!(Election::new("b").observe(Some(record("", 2)), at(0)), Move::Take { transitions: 4 });
    }

    #[test]
    fn a_lease_that_is_renewed_is_never_taken_whatever_its_clock_says() {
        let mut b = Election::new("b");
        for step in 0..100 {
            assert_eq!(b.observe(Some(record("a", step)), at(14 * u64::from(step))), Move::Wait);
        }
        let last = 14 * 99;
        assert_eq!(b.observe(Some(record("a", 99)), at(last + 14)), Move::Wait);
        assert!(b.another_leads(at(last + 14)) && !b.another_leads(at(last + 15)));
        assert_eq!(b.observe(Some(record("a", 99)), at(last + 15)), Move::Take { transitions: 4 });
    }

    #[test]
    fn who_cannot_renew_stops_before_another_takes_over() {
        let (mut a, mut b) = (Election::new("a"), Election::new("b"));
        a.wrote(record("a", 1), at(100));
        // b saw the write at the same moment, at the earliest
        assert_eq!(b.observe(Some(record("a", 1)), at(100)), Move::Wait);
        let taken = (100..).find(|t| b.observe(Some(record("a", 1)), at(*t)) != Move::Wait);
        let stopped = (100..).find(|t| !a.leads(at(*t)));
        assert!(stopped < taken);
        assert_eq!(a.observe(Some(record("b", 2)), at(120)), Move::Wait);
        assert!(!a.leads(at(120)));
    }
}

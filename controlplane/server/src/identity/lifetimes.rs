//! How long authorities and certificates live, and what follows from that.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Clocks of nodes and replicas may differ by so much.
const SKEW: Duration = Duration::from_secs(300);
/// Between two looks at what is kept in the cluster, at most.
const TICK: Duration = Duration::from_secs(10);

/// Lifetimes that fit together (see [`Lifetimes::new`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    authority: Duration,
    leaf: Duration,
    lead: Duration,
}

/// Lifetimes that do not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifetimesError {
    /// X.509 counts seconds, and some of them go into overlaps.
    #[error(
        "certificates must live for 4 seconds at least, and authorities must be trusted for 2 before they sign"
    )]
    TooShort,
    /// The last certificate would outlive its authority.
    #[error(
        "an authority of {authority:?} leaves a third of that for the change to the next one, which takes {needed:?}"
    )]
    NoRoom {
        /// Its lifetime.
        authority: Duration,
        /// What the change takes.
        needed: Duration,
    },
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { authority: 365 * DAY, leaf: DAY, lead: DAY }
    }
}

impl Lifetimes {
    /// `authority`, `leaf`: of one certificate; `lead`: from the time when an authority is published as trusted until
    /// it signs.
    ///
    /// # Errors
    /// When the change from one authority to the next takes longer than the last third of the old one's life.
    pub fn new(authority: Duration, leaf: Duration, lead: Duration) -> Result<Self, LifetimesError> {
        let lifetimes = Self { authority, leaf, lead };
        if leaf < Duration::from_secs(4) || lead < Duration::from_secs(2) {
            return Err(LifetimesError::TooShort);
        }
        let needed = lead + lifetimes.overlap();
        if authority / 3 < needed {
            return Err(LifetimesError::NoRoom { authority, needed });
        }
        Ok(lifetimes)
    }

    /// Of an authority.
    pub fn authority(&self) -> Duration {
        self.authority
    }

    /// Of a certificate that an authority signs.
    pub fn leaf(&self) -> Duration {
        self.leaf
    }

    /// How long an authority is trusted before it signs: what everybody has to learn of it.
    pub fn lead(&self) -> Duration {
        self.lead
    }

    /// How old the knowledge may be with which a replica signs: it could be an authority that has been replaced.
    pub fn fresh(&self) -> Duration {
        self.lead / 2
    }

    /// By how much certificates are valid before they are made.
    pub fn skew(&self) -> Duration {
        SKEW.min(self.leaf / 10)
    }

    /// From the time when an authority stops to sign until nothing that it signed is good any more.
    pub fn overlap(&self) -> Duration {
        self.fresh() + self.leaf + self.skew()
    }

    /// Between two looks at what is kept in the cluster.
    pub fn tick(&self) -> Duration {
        TICK.min(self.lead / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn what_runs_unasked_fits_together() {
        let d = Lifetimes::default();
        assert_eq!(Lifetimes::new(d.authority, d.leaf, d.lead), Ok(d));
        assert_eq!((d.skew(), d.fresh(), d.tick()), (secs(300), secs(12 * 3600), secs(10)));
    }

    #[test]
    fn a_change_must_fit_into_the_last_third() {
        let no_room = LifetimesError::NoRoom { authority: secs(68), needed: secs(23) };
        for (authority, leaf, lead, expected) in [
            (secs(69), secs(10), secs(8), None),
            (secs(68), secs(10), secs(8), Some(no_room)),
            (secs(60), secs(3), secs(2), Some(LifetimesError::TooShort)),
            (secs(60), secs(4), secs(1), Some(LifetimesError::TooShort)),
        ] {
            assert_eq!(Lifetimes::new(authority, leaf, lead).err(), expected);
        }
    }
}

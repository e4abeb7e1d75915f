//! How long to wait before a child that ended is started again. Pure: time is an argument.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A child that ran for so long was healthy: waiting begins anew.
const HEALTHY: Duration = Duration::from_secs(30);

/// Exponential backoff: 0.5 s, 1 s, 2 s … 30 s.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The wait after a run of this length.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= HEALTHY {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runs: &[u64], waits: &[u64]) {
        let mut backoff = Backoff::default();
        let got: Vec<_> =
            runs.iter().map(|ran| backoff.after(Duration::from_secs(*ran)).as_millis()).collect();
        assert_eq!(got, waits.iter().map(|wait| u128::from(*wait)).collect::<Vec<_>>(), "{runs:?}");
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        check(&[0; 8], &[500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    }

    #[test]
    fn a_healthy_run_begins_anew() {
        check(&[0, 29, 0, 30, 0], &[500, 1000, 2000, 500, 1000]);
    }
}

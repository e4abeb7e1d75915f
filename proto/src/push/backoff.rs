//! How long a node waits before it connects again.

use std::time::Duration;

/// Exponential backoff; the random part is an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

impl Backoff {
    /// Starts at about `first`, doubles, and stays at about `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The next wait: between half and the whole of the current bound. `random` is uniform over `u32`; it
    /// keeps the nodes of a cluster from knocking all at once.
    pub fn next(&mut self, random: u32) -> Duration {
        let bound = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let half = bound / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The control plane has answered: the next wait is a short one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(random: u32, expected_ms: [u64; 8]) {
        let mut backoff = Backoff::default();
        let waits = expected_ms.map(|_| backoff.next(random).as_millis() as u64);
        assert_eq!(waits, expected_ms);
        backoff.reset();
        assert_eq!(backoff.next(random).as_millis() as u64, expected_ms[0]);
    }

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_reset() {
        check(0, [50, 100, 200, 400, 800, 1600, 2500, 2500]);
        check(u32::MAX, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}

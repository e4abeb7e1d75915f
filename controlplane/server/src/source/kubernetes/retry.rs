//! Between attempts of a watch that fails: a moment at first, and never more than some seconds, so that an API server that comes back is
//! seen soon. Jittered: all watches fail at once.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use ring::rand::{SecureRandom, SystemRandom};

const FIRST: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(5);

/// One watch's attempts.
#[derive(Debug, Default)]
pub(super) struct Retry {
    failures: u32,
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let full = FIRST.saturating_mul(1 << self.failures.min(10)).min(LAST);
        self.failures += 1;
        let mut random = [128];
        // Without random bytes all watches keep in step, which is a burden and no fault.
        let _ = SystemRandom::new().fill(&mut random);
        Some(full / 2 + full * u32::from(random[0]) / 512)
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_some_seconds_and_start_anew() {
        let mut retry = Retry::default();
        let waits: Vec<_> = retry.by_ref().take(20).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits.iter().all(|wait| *wait <= LAST) && waits[19] >= LAST / 2);
        retry.reset();
        assert!(retry.next().is_some_and(|wait| wait <= FIRST));
    }
}

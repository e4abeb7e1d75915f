//! When a write that failed is tried again: soon at first, then ever later, each object for itself.

use std::collections::BTreeMap;
use std::time::Duration;

/// After the first failure, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// Failures by key. Times are since any fixed moment.
#[derive(Debug)]
pub struct Pace<K>(BTreeMap<K, Failure>);

#[derive(Clone, Copy, Debug)]
struct Failure {
    count: u32,
    retry: Duration,
}

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Pace<K> {
    /// Whether it may be tried now.
    pub fn ready(&self, key: &K, now: Duration) -> bool {
        self.0.get(key).is_none_or(|failure| now >= failure.retry)
    }

    /// It failed; true when it is the first time in a row.
    pub fn failed(&mut self, key: &K, now: Duration) -> bool {
        let failure = self.0.entry(key.clone()).or_insert(Failure { count: 0, retry: now });
        let wait = FIRST.saturating_mul(1 << failure.count.min(16)).min(LAST);
        failure.count += 1;
        failure.retry = now + wait;
        failure.count == 1
    }

    /// How often in a row it failed.
    pub fn failures(&self, key: &K) -> u32 {
        self.0.get(key).map_or(0, |failure| failure.count)
    }

    /// Forgets what nobody wants done any more, or there would always be something to try again.
    pub fn retain(&mut self, wanted: impl Fn(&K) -> bool) {
        self.0.retain(|key, _| wanted(key));
    }

    /// It worked, or is not wanted any more.
    pub fn settled(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// When there is something to try again.
    pub fn next(&self) -> Option<Duration> {
        self.0.values().map(|failure| failure.retry).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_a_minute() {
        let mut pace = Pace::default();
        let at = Duration::from_secs;
        assert!(pace.ready(&"a", at(0)));
        let mut now = at(0);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(pace.failed(&"a", now), wait == 1);
            assert!(!pace.ready(&"a", now + at(wait) - Duration::from_millis(1)));
            assert!(pace.ready(&"a", now + at(wait)) && pace.ready(&"b", now));
            assert_eq!(pace.next(), Some(now + at(wait)));
            now += at(wait);
        }
        pace.settled(&"a");
        assert_eq!(pace.next(), None);
        assert!(pace.failed(&"a", now));
        pace.retain(|key| *key != "a");
        assert_eq!((pace.next(), pace.failures(&"a")), (None, 0));
    }
}

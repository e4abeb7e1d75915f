//! Counts what may happen often and is told at most once a second: a counter for scrapes, and the number that
//! the next log line carries.

use super::inc;
use crate::session::unix_now;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with a log that cannot be flooded.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    total: AtomicU64,
    untold: AtomicU64,
    /// the second of the last line
    told: AtomicU64,
}

impl Tally {
    /// Counts one. `Some(n)`: a line is due, for the `n` since the last one.
    pub(crate) fn add(&self) -> Option<u64> {
        self.add_at(unix_now())
    }

    fn add_at(&self, second: u64) -> Option<u64> {
        inc(&self.total);
        inc(&self.untold);
        (self.told.swap(second, Relaxed) != second).then(|| self.untold.swap(0, Relaxed))
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_once_a_second_of_all_that_came_since() {
        let t = Tally::default();
        let told: Vec<_> = [1, 1, 1, 2, 2, 3].into_iter().map(|second| t.add_at(second)).collect();
        assert_eq!(told, [Some(1), None, None, Some(3), None, Some(2)]);
        assert_eq!(t.total(), 6);
    }
}

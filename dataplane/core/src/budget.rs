//! How many requests to a backend may be repeated: a share of what is sent anyway, so that repeating cannot
//! multiply the load of a backend that is in trouble. Pure.

use std::time::Duration;

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// Of the calls of a window, one in this many may be repeated.
const SHARE: u64 = 5;

/// Repetitions that a window allows however few calls there are.
const ALWAYS: u64 = 100;

/// The budget of one backend on one node.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    start: Duration,
    /// Calls in all, when the window began.
    base: u64,
    spent: u64,
}

impl Budget {
    /// May one more be repeated? `calls`: how many were sent so far, in all.
    pub fn take(&mut self, now: Duration, calls: u64) -> bool {
        if now.saturating_sub(self.start) >= WINDOW {
            *self = Self { start: now, base: calls, spent: 0 };
        }
        let allowed = ALWAYS + calls.saturating_sub(self.base) / SHARE;
        let granted = self.spent < allowed;
        self.spent += u64::from(granted);
        granted
    }
}

#[cfg(test)]
mod tests;

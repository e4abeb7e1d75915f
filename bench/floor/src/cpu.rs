//! CPU time of the calling thread and of the process.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// User and system time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Used {
    pub(crate) fn total(self) -> Duration {
        self.user + self.system
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// What the calling thread used until now.
pub(crate) fn of_this_thread() -> anyhow::Result<Used> {
    used(UsageWho::RUSAGE_THREAD)
}

/// What the process with all its threads, those of the kernel's for io_uring too, used until now.
pub(crate) fn of_this_process() -> anyhow::Result<Used> {
    used(UsageWho::RUSAGE_SELF)
}

fn used(who: UsageWho) -> anyhow::Result<Used> {
    let usage = getrusage(who)?;
    Ok(Used { user: duration(usage.user_time()), system: duration(usage.system_time()) })
}

fn duration(time: TimeVal) -> Duration {
    Duration::from_secs(time.tv_sec().unsigned_abs()) + Duration::from_micros(time.tv_usec().unsigned_abs())
}

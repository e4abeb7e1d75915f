//! CPU time of other processes, from `/proc`.

use std::time::Duration;

use anyhow::Context;

/// Ticks per second in `/proc/PID/stat`: USER_HZ, 100 on every Linux that Rust's tier 1 targets run on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of a process and its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) user: Duration,
    pub(crate) kernel: Duration,
}

impl Time {
    pub(crate) fn total(self) -> Duration {
        self.user + self.kernel
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            kernel: self.kernel.saturating_sub(before.kernel),
        }
    }
}

/// What it used until now.
pub(crate) fn used(pid: u32) -> anyhow::Result<Time> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    parse(&stat).with_context(|| format!("{path} is not as proc(5) says"))
}

fn parse(stat: &str) -> Option<Time> {
    // the second field is the name in parentheses, and may contain anything
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let ticks =
        |field: &str| Some(Duration::from_millis(field.parse::<u64>().ok()? * (1000 / TICKS_PER_SECOND)));
    Some(Time { user: ticks(fields.nth(11)?)?, kernel: ticks(fields.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0";
        let (user, kernel) = (Duration::from_millis(1_500), Duration::from_millis(500));
        assert_eq!(parse(stat), Some(Time { user, kernel }));
        assert_eq!(parse("12 (a"), None);
    }
}

//! CPU time of other processes, from `/proc`.

use std::time::Duration;

use anyhow::Context;

/// Ticks per second in `/proc/PID/stat`: USER_HZ, 100 on every Linux that Rust's tier 1 targets run on.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time that a process and its threads used until now.
pub(crate) fn used(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    parse(&stat).with_context(|| format!("{path} is not as proc(5) says"))
}

fn parse(stat: &str) -> Option<Duration> {
    // the second field is the name in parentheses, and may contain anything
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * (1000 / TICKS_PER_SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0";
        assert_eq!(parse(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse("12 (a"), None);
    }
}

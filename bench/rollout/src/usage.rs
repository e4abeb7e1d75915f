//! What a process uses, from `/proc`.

use std::time::Duration;

use anyhow::Context;

/// Ticks per second in `/proc/PID/stat`: USER_HZ, 100 on every Linux that Rust's tier 1 targets run on.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time until now.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // the second field is the name in parentheses, and may contain anything
    let fields = stat.rsplit_once(')').context("no name in /proc/PID/stat")?.1;
    let used: u64 =
        fields.split_ascii_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(used * (1000 / TICKS_PER_SECOND)))
}

/// Resident memory now and at most, in MiB.
pub(crate) fn resident(pid: u32) -> anyhow::Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib / 1024).with_context(|| format!("no {name} in /proc/PID/status"))
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

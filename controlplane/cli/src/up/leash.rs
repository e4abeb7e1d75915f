//! The leash: no child outlives `tidegate up`, not even when `up` is killed with SIGKILL.
//!
//! `up` writes the process groups it has started into a pipe of a small process, `tidegate leash`. When the pipe closes,
//! for whatever reason, that process ends the groups that are still on it. (The usual means, `PR_SET_PDEATHSIG`, has to
//! be called between fork and exec, which is unsafe code; and it does not reach grandchildren.)

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a group may take to leave after SIGTERM.
pub(crate) const LEAVE: Duration = Duration::from_secs(5);

/// The end of the pipe that `up` holds.
pub(crate) struct Leash {
    pipe: Mutex<Option<ChildStdin>>,
    process: Mutex<Child>,
}

impl Leash {
    /// Starts the process at the other end, in a group of its own so that Ctrl-C does not reach it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find the own executable")?;
        let mut process = Command::new(program)
            .arg("leash")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start `tidegate leash`")?;
        let pipe = process.stdin.take();
        Ok(Self { pipe: Mutex::new(pipe), process: Mutex::new(process) })
    }

    /// Puts a process group on the leash.
    pub(crate) fn hold(&self, group: Pid) {
        self.tell('+', group);
    }

    /// Takes an ended group off, before its number can mean another one.
    pub(crate) fn release(&self, group: Pid) {
        self.tell('-', group);
    }

    /// Closes the pipe and waits for the other end: all groups are gone then.
    pub(crate) fn end(&self) {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.process.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }

    fn tell(&self, sign: char, group: Pid) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = pipe.as_mut()
            && let Err(error) = pipe.write_all(format!("{sign}{group}\n").as_bytes())
        {
            tracing::warn!(%error, "the leash has ended; children may outlive a kill -9 of `tidegate up`");
        }
    }
}

/// The other end: reads until the pipe closes, then ends what is left.
pub(crate) fn run() {
    let mut groups = BTreeSet::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        note(&mut groups, &line);
    }
    let groups: Vec<Pid> = groups.into_iter().map(Pid::from_raw).collect();
    end_groups(&groups, LEAVE);
}

/// SIGTERM to the groups, and SIGKILL to those that are still there after `grace`.
fn end_groups(groups: &[Pid], grace: Duration) {
    let mut left: Vec<Pid> = groups.to_vec();
    left.retain(|group| killpg(*group, Signal::SIGTERM).is_ok());
    let deadline = Instant::now() + grace;
    while !left.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        left.retain(|group| killpg(*group, None).is_ok());
    }
    for group in left {
        let _ = killpg(group, Signal::SIGKILL);
    }
}

/// One line of the pipe. Numbers that would mean everything or ourselves are not groups.
fn note(groups: &mut BTreeSet<i32>, line: &str) {
    let (sign, number) = line.split_at_checked(1).unwrap_or_default();
    let Some(group) = number.parse().ok().filter(|group| *group > 1) else { return };
    match sign {
        "+" => groups.insert(group),
        "-" => groups.remove(&group),
        _ => false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: &[i32]) {
        let mut groups = BTreeSet::new();
        lines.iter().for_each(|line| note(&mut groups, line));
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), expected, "{lines:?}");
    }

    #[test]
    fn groups_are_held_until_they_are_released() {
        check(&["+10", "+11", "-10"], &[11]);
        check(&["-10", "+10"], &[10]);
    }

    #[test]
    fn what_is_no_group_is_ignored() {
        check(&["", "+", "+x", "é", "10", "*10", "+0", "+1", "+-1"], &[]);
    }
}

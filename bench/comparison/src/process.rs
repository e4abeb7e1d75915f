//! Child processes that end with their guard, and what `/proc` says of them and their children.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stop;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);
/// Characters of a log that an error shows.
const TAIL: usize = 1_500;

/// A process of ours; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    end: Signal,
}

impl Process {
    /// Starts it; what it says goes to `NAME.log` in the folder.
    pub(crate) fn start(folder: &Path, name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).env("NO_COLOR", "1");
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        Ok(Self { child, log, end: Signal::SIGTERM })
    }

    /// Ends it by another signal, where SIGTERM would wait for clients.
    pub(crate) fn ended_by(mut self, end: Signal) -> Self {
        self.end = end;
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said until now; an error when it has ended.
    pub(crate) fn said(&mut self) -> anyhow::Result<String> {
        let said = fs::read_to_string(&self.log)?;
        if let Some(status) = self.child.try_wait()? {
            let tail = said.len().saturating_sub(TAIL);
            bail!("{} ended ({status}): {}", self.log.display(), said.get(tail..).unwrap_or(&said));
        }
        Ok(said)
    }

    /// Asks it to end and waits.
    pub(crate) fn stop(&mut self) {
        let Ok(None) = self.child.try_wait() else { return };
        signal(self.pid(), self.end);
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        // errors: it has ended meanwhile
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends a signal to a process, if there is such a one.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // an error: it has ended meanwhile
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Waits until something holds.
pub(crate) fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + within;
    loop {
        stop::check()?;
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {within:?}");
        }
        std::thread::sleep(LOOK);
    }
}

/// A process and all that descend from it.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(pid) = all.get(at).copied() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}

/// Resident memory of processes, in KiB.
pub(crate) fn resident(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_the_children_of_children() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'sleep 60 & echo ready; wait' & wait"]);
        let mut process = Process::start(folder.path(), "tree", &mut command).unwrap();
        let ready = || Ok(process.said()?.contains("ready").then_some(()));
        until("the grandchild", PATIENCE, ready).unwrap();
        let pids = tree(process.pid());
        assert_eq!(pids.len(), 3, "{pids:?}");
        assert!(resident(&pids) > resident(&pids[..1]));
        pids.iter().for_each(|pid| signal(*pid, Signal::SIGKILL));
    }

    #[test]
    fn a_process_that_ended_is_an_error_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        let mut process =
            Process::start(folder.path(), "short", command.args(["-c", "echo sorry; exit 3"])).unwrap();
        let ended = until("its end", PATIENCE, || Ok(process.said().err()));
        let error = ended.unwrap().to_string();
        assert!(error.contains("sorry"), "{error}");
    }
}

//! Child processes that do not outlive the cluster, and a way to be sure of that: all are in one process group, and a
//! small shell (the reaper) reads from a pipe whose other end is ours. When that closes, because the cluster is dropped
//! or because this process ends in whatever way, the reaper kills the group and removes the cluster's directory.

use crate::eventually;
use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const REAPER: &str = r#"trap '' INT TERM HUP; read -r _; kill -s KILL -- "-$1"; rm -rf -- "$2""#;
const LOG_TAIL: usize = 2_000;
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A server. Killed when dropped.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in the process group of `leader`, or as the leader of a new one; what it says goes to
    /// `DIR/NAME.log`.
    pub(crate) fn start(
        command: &mut Command,
        name: &'static str,
        dir: &Path,
        leader: Option<&Self>,
    ) -> anyhow::Result<Self> {
        let log = dir.join(name).with_extension("log");
        let out = File::options().create(true).append(true).open(&log).context("the log file")?;
        let err = out.try_clone().context("the log file")?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        command.process_group(leader.map_or(0, |p| p.pid().as_raw()));
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when it has ended, with the last that it said.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut from = said.len().saturating_sub(LOG_TAIL);
        while !said.is_char_boundary(from) {
            from += 1;
        }
        bail!("{} ended ({status}); it said: …{}", self.name, &said[from..])
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Stops all of its threads; [`resume`](Self::resume) lets them go on.
    pub(crate) async fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        // the signal is sent to the process, each thread stops when it next looks
        let tasks = format!("/proc/{}/task", self.id());
        eventually("all threads are stopped", STOP_LIMIT, async || all_stopped(&tasks).then_some(())).await
    }

    /// Ends [`pause`](Self::pause).
    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Sends `signal` and waits for the end.
    pub(crate) async fn stop(mut self, signal: Signal) -> anyhow::Result<()> {
        self.signal(signal)?;
        let name = self.name;
        let child = &mut self.child;
        eventually(&format!("{name} ends"), STOP_LIMIT, async || child.try_wait().ok().flatten())
            .await
            .map(|status| tracing::debug!(name, signal = status.signal(), "stopped"))
    }
}

/// Whether the state of each thread (proc_pid_stat(5): the first field after the name in brackets) is `T`.
fn all_stopped(tasks: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(tasks) else { return false };
    entries.flatten().all(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends what is left and removes the directory, also when this process is killed.
pub(crate) struct Reaper(Child);

impl Reaper {
    /// Watches over the group that `leader` leads and over `dir`.
    pub(crate) fn start(leader: &Process, dir: &Path) -> anyhow::Result<Self> {
        let mut sh = Command::new("sh");
        sh.args(["-c", REAPER, "reaper"]).arg(leader.id().to_string()).arg(dir);
        sh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Ok(Self(sh.spawn().context("cannot start sh")?))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_reaper_kills_the_group_and_removes_the_directory() {
        let dir = tempfile::tempdir().expect("a directory").keep();
        let start = |leader| Process::start(Command::new("sleep").arg("600"), "sleep", &dir, leader);
        let mut leader = start(None).expect("the leader");
        let mut member = start(Some(&leader)).expect("a member");
        member.signal(Signal::SIGSTOP).expect("a signal");
        let reaper = Reaper::start(&leader, &dir).expect("the reaper");
        leader.check().expect("the leader runs");
        drop(reaper);
        for process in [&mut leader, &mut member] {
            let ended = async || process.check().err();
            eventually("it ends", STOP_LIMIT, ended).await.expect("it ended");
        }
        assert!(!dir.exists());
    }
}

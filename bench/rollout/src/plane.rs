//! The control plane as a process.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tidegate_bench_cluster::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::args::Args;
use crate::objects::World;

/// Between two looks at what has been written.
const PAUSE: Duration = Duration::from_secs(1);
/// As long as nothing more is written, it is done.
const QUIET: Duration = Duration::from_secs(3);

/// Killed when dropped.
pub(crate) struct Plane {
    dir: TempDir,
    child: Child,
    admin: SocketAddr,
}

/// What has been written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) statuses: u64,
    children: u64,
    failed: u64,
}

impl Plane {
    /// Starts it on everything there is.
    pub(crate) fn start(cluster: &Cluster, world: &World, args: &Args) -> anyhow::Result<Self> {
        let beside = std::env::current_exe()?.with_file_name("tidegate-controlplane");
        let program = args.controlplane.clone().unwrap_or(beside);
        ensure!(program.exists(), "{} is not built: cargo build --workspace", program.display());
        let dir = tempfile::tempdir()?;
        let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = std::fs::File::create(dir.path().join("log"))?;
        let child = Command::new(&program)
            .arg("--source=kubernetes")
            .arg(format!("--kubeconfig={}", cluster.kubeconfig().display()))
            .arg(format!("--system-namespace={}", world.system))
            .arg(format!("--push=unix:{}", dir.path().join("push.sock").display()))
            .arg(format!("--state-dir={}", dir.path().join("state").display()))
            .arg(format!("--admin={admin}"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { dir, child, admin })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where nodes connect.
    pub(crate) fn socket(&self) -> String {
        format!("unix:{}", self.dir.path().join("push.sock").display())
    }

    /// Waits until so many statuses, and after them nothing for a while, have been written; gives the time of the last write.
    pub(crate) async fn until_written(&self, statuses: usize, patience: Duration) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + patience;
        let (mut last, mut since) = (Tally::default(), Instant::now());
        while (last.statuses as usize) < statuses || since.elapsed() < QUIET {
            ensure!(Instant::now() < deadline, "not within {patience:?}: {statuses} statuses; {last}");
            tokio::time::sleep(PAUSE).await;
            let now = self.tally().await?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(since)
    }

    /// What its metrics say.
    pub(crate) async fn tally(&self) -> anyhow::Result<Tally> {
        let text = self.metrics().await?;
        let count = |labels: &str| {
            let name = format!("tidegate_controlplane_writes_total{{{labels}}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok());
            value.unwrap_or(0)
        };
        let failed = |what: &str| count(&format!(r#"result="failed",what="{what}""#));
        Ok(Tally {
            statuses: count(r#"result="ok",what="status""#),
            children: count(r#"result="ok",what="child""#),
            failed: failed("status") + failed("child"),
        })
    }

    /// How long it took to make each of the tables that it published, from a view.
    pub(crate) fn compiles(&self) -> anyhow::Result<Vec<Duration>> {
        let log = std::fs::read_to_string(self.dir.path().join("log"))?;
        let took = |line: &str| line.split("took_us=").nth(1)?.split_whitespace().next()?.parse::<u64>().ok();
        let published = log.lines().filter(|line| line.contains("table published"));
        Ok(published.filter_map(took).map(Duration::from_micros).collect())
    }

    /// Copies the log to a file.
    pub(crate) fn keep_log(&self, to: Option<&Path>) -> anyhow::Result<()> {
        if let Some(to) = to {
            std::fs::copy(self.dir.path().join("log"), to)?;
        }
        Ok(())
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        let mut answer = String::new();
        // it may not listen yet
        if let Ok(mut stream) = TcpStream::connect(self.admin).await {
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
            stream.read_to_string(&mut answer).await?;
        }
        Ok(answer)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Tally {
    /// What came after another one.
    pub(crate) fn since(&self, before: &Tally) -> Tally {
        Tally {
            statuses: self.statuses - before.statuses,
            children: self.children - before.children,
            failed: self.failed - before.failed,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { statuses, children, failed } = self;
        write!(f, "{statuses} statuses, {children} child objects, {failed} failed")
    }
}

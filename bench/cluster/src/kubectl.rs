//! kubectl, as a person runs it.

use crate::Cluster;
use anyhow::{Context as _, bail};
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

impl Cluster {
    /// Runs kubectl as the administrator, with `stdin` for `-f -`.
    ///
    /// # Errors
    /// It cannot be run. That it fails is in the output's status.
    pub async fn kubectl(&self, args: &[&str], stdin: &str) -> anyhow::Result<Output> {
        self.kubectl_as(&self.kubeconfig(), args, stdin).await
    }

    /// Runs kubectl as the user of a kubeconfig file.
    ///
    /// # Errors
    /// It cannot be run. That it fails is in the output's status.
    pub async fn kubectl_as(&self, kubeconfig: &Path, args: &[&str], stdin: &str) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.binaries.kubectl);
        // kubectl keeps what it discovers below HOME, by host and port: not where another cluster's may be
        command.args(args).env("KUBECONFIG", kubeconfig).env("HOME", self.dir()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run kubectl")?;
        let mut pipe = child.stdin.take().context("kubectl has no stdin")?;
        // it may end before it has read all
        let write = async {
            let _ = pipe.write_all(stdin.as_bytes()).await;
            drop(pipe);
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), write);
        output.context("kubectl")
    }

    /// [`kubectl`](Self::kubectl) that has to succeed: what it wrote to stdout.
    ///
    /// # Errors
    /// What it wrote to stderr.
    pub async fn kubectl_ok(&self, args: &[&str], stdin: &str) -> anyhow::Result<String> {
        let output = self.kubectl(args, stdin).await?;
        if !output.status.success() {
            bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Installs the CRDs of a directory (or a file) and waits until they are served. The controller manager is started
    /// anew when that changed anything: it looks for new kinds every 30 seconds only, and until then neither collects
    /// what they own nor resolves them as owners.
    ///
    /// # Errors
    /// kubectl's.
    pub async fn install_crds(&self, path: &Path) -> anyhow::Result<()> {
        let path = path.to_str().context("the path is not UTF-8")?;
        let said = self.kubectl_ok(&["apply", "--server-side", "-f", path], "").await?;
        self.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "-f", path], "").await?;
        if said.lines().any(|line| !line.ends_with("unchanged")) {
            self.stop_controllers().await?;
            self.start_controllers().await?;
        }
        Ok(())
    }
}

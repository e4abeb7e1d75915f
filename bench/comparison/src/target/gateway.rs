//! The gateway: a data plane with one thread, and a control plane over a folder of manifests.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::process::{Process, until};
use crate::target::{Name, Site, Target, Tools, free_address};
use crate::{manifests, metrics};

/// Bursts of edits are taken together for so long.
const DEBOUNCE: &str = "20ms";
const READY: Duration = Duration::from_secs(120);

pub(super) fn start(site: &Site<'_>) -> anyhow::Result<Target> {
    let folder = site.folder.join("manifests");
    fs::create_dir_all(&folder)?;
    manifests::write(&folder, site.backends, site.virtual_servers)?;
    let push = format!("unix:{}", site.folder.join("push.sock").display());
    let mut control = Command::new(site.binaries.ours("tidegate-controlplane"));
    control.arg("--source").arg(format!("dir:{}", folder.display())).args(["--push", &push]);
    control.arg("--state-dir").arg(site.folder.join("control")).args(["--debounce", DEBOUNCE]);
    let control = Process::start(&site.folder, "controlplane", &mut control)?;
    let (listen, tls, admin) = (free_address()?, free_address()?, free_address()?);
    let mut data = site.command(&site.binaries.ours("tidegate-dataplane"));
    data.args(["--control-plane", &push, "--listen", &listen, "--admin", &admin, "--threads", "1"]);
    data.arg("--state-dir").arg(site.folder.join("data"));
    data.args(["--tls-listen", &tls]).arg("--tls-certificate").arg(&site.certificate.chain);
    data.arg("--tls-key").arg(&site.certificate.key);
    // all clients come from one address here
    data.args([
        "--max-connections",
        "0",
        "--max-streams-per-address",
        "0",
        "--max-sessions-per-address",
        "0",
    ]);
    let mut data = Process::start(&site.folder, "dataplane", &mut data)?;
    until("all tools are offered", READY, || {
        data.said()?;
        let text = metrics::fetch(&admin, "/metrics", None).unwrap_or_default();
        let offered = metrics::sum(&text, "tidegate_tools{");
        Ok((offered >= (site.tools * site.virtual_servers) as f64).then_some(()))
    })?;
    let url = format!("http://{listen}/default/demo/mcp");
    let mut target = Target::at(Some(Name::Tidegate), url.clone(), vec![data, control]);
    target.h2 = Some(url);
    target.tls = Some(format!("https://{tls}/default/demo/mcp"));
    target.tools = Tools::OfEach(site.backends.len());
    target.manifests = Some(folder);
    Ok(target)
}

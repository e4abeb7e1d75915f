//! Gateways as pods of a DaemonSet, run by the kubelets' stand-in as processes, and backends likewise.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tidegate_bench_cluster::eventually;
use tidegate_bench_cluster::kubelet::Runs;

use super::stage::{Plane, Stage};
use crate::support::DEADLINE;

/// A binary of the workspace, built beside the one under test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_tidegate-controlplane")).with_file_name(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace", path.display());
    path
}

impl Stage<'_> {
    /// Starts a gateway on every node, which the control plane's socket feeds.
    pub(crate) async fn start_gateways(&self, plane: &Plane) {
        let kubelet = self.cluster.kubelet().await.expect("nodes");
        let image = format!("gateway-of-{}", self.system);
        let state = plane.dir().join("nodes");
        kubelet.set(
            &image,
            Runs::process(move |container| {
                let mut command = Command::new(binary("tidegate-dataplane"));
                command
                    .args(&container.args)
                    .arg(format!("--state-dir={}", state.join(&container.node).display()));
                command
            }),
        );
        let manifest = GATEWAYS.replace("IMAGE", &image).replace("SOCKET", &plane.socket());
        let applied = self.cluster.kubectl_ok(&["apply", "-n", &self.system, "-f", "-"], &manifest).await;
        applied.expect("a DaemonSet");
    }

    /// Kills the gateway of a node as a crash would; the kubelet starts it again.
    pub(crate) fn kill_gateway(&self, plane: &Plane, node: &str) {
        let state = format!("--state-dir={}", plane.dir().join("nodes").join(node).display());
        let is_it = |pid: &i32| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).any(|argument| argument == state.as_bytes())
        };
        let all = std::fs::read_dir("/proc").expect("/proc").flatten();
        let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let pid = pids.find(is_it).expect("a gateway of the node");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
            .expect("a running gateway");
    }

    /// Containers of this image are mock MCP servers.
    pub(crate) async fn serve_image(&self, image: &str, more: &'static [&'static str]) {
        let kubelet = self.cluster.kubelet().await.expect("nodes");
        kubelet.set(
            image,
            Runs::process(move |container| {
                let address = container.addresses().next().expect("an HTTP server has a port");
                let mut command = Command::new(binary("mock-mcp"));
                command.arg(format!("--listen={address}")).args(more);
                command
            }),
        );
    }

    /// Where the gateways serve a Service: what kube-proxy would make of its EndpointSlices.
    pub(crate) async fn endpoints(&self, service: &str, at_least: usize) -> Vec<SocketAddr> {
        let selector = format!("kubernetes.io/service-name={service}");
        let look = async || {
            let slices = self.kubectl(&["get", "endpointslices", "-l", &selector, "-o", "json"], "").await;
            let slices: Value = serde_json::from_str(&slices).ok()?;
            let all: Vec<SocketAddr> = slices["items"].as_array()?.iter().flat_map(ready).collect();
            (all.len() >= at_least).then_some(all)
        };
        eventually(service, DEADLINE, look).await.expect("ready endpoints")
    }
}

fn ready(slice: &Value) -> Vec<SocketAddr> {
    let port = slice["ports"][0]["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
    let addresses = ready.filter_map(|endpoint| endpoint["addresses"][0].as_str()?.parse().ok());
    addresses.map(|ip: std::net::IpAddr| SocketAddr::new(ip, port)).collect()
}

const GATEWAYS: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: tidegate-dataplane}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: tidegate-dataplane}}
  template:
    metadata: {labels: {app.kubernetes.io/name: tidegate-dataplane}}
    spec:
      containers:
        - name: dataplane
          image: IMAGE
          args:
            - --control-plane=SOCKET
            - --listen=$(POD_IP):4483
            - --admin=$(POD_IP):4485
          env:
            - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
            - {name: TIDEGATE_ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
            - {name: TIDEGATE_NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
          ports: [{containerPort: 4485}]
          readinessProbe: {httpGet: {path: /readyz, port: 4485}, periodSeconds: 1}
"#;

//! Node objects.

use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Makes a node that is ready at `ip`.
pub(super) async fn create(client: Client, name: &str, ip: Ipv4Addr) -> anyhow::Result<()> {
    let nodes = Api::<Node>::all(client);
    let node: Node = serde_json::from_value(json!({"metadata": {"name": name, "labels": {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch(),
    }}}))?;
    nodes.create(&PostParams::default(), &node).await?;
    let params = PatchParams::default();
    nodes.patch_status(name, &params, &Patch::Merge(json!({"status": status(name, ip)}))).await?;
    // the API server gives a new node the taint not-ready, which the node lifecycle controller would take away
    nodes.patch(name, &params, &Patch::Merge(json!({"spec": {"taints": null}}))).await?;
    Ok(())
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

fn status(name: &str, ip: Ipv4Addr) -> Value {
    let resources = json!({"cpu": "64", "memory": "256Gi", "pods": "20000"});
    json!({
        "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
        "capacity": resources,
        "allocatable": resources,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "stand-in"}],
    })
}

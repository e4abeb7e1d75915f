//! What is in the API server: nodes with gateways, groups with virtual servers, and backends spread over them.

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use tidegate_bench_cluster::Cluster;

use crate::args::Args;
use crate::figures::{self, seconds};

/// Requests under way.
const CONCURRENCY: usize = 16;

/// The objects and where they are.
pub(crate) struct World {
    pub(crate) namespace: String,
    pub(crate) system: String,
    pub(crate) client: Client,
    virtual_servers: usize,
    servers: usize,
    server_entries: usize,
}

impl World {
    /// Creates everything.
    pub(crate) async fn create(cluster: &Cluster, args: &Args) -> anyhow::Result<Self> {
        cluster.install_crds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")).await?;
        let world = Self {
            namespace: cluster.namespace("scale").await?,
            system: cluster.namespace("scale-system").await?,
            client: cluster.client()?,
            virtual_servers: args.virtual_servers,
            servers: args.servers,
            server_entries: args.server_entries,
        };
        let started = Instant::now();
        for node in 0..args.nodes {
            world.gateway(node).await?;
        }
        let groups = (0..args.virtual_servers).map(|i| ("MCPGroup", group(i)));
        let virtual_servers = (0..args.virtual_servers).map(|i| ("VirtualMCPServer", virtual_server(i)));
        let servers = (0..args.servers).map(|i| ("MCPServer", server(i, i % args.virtual_servers)));
        let entries =
            (0..args.server_entries).map(|i| ("MCPServerEntry", entry(i, i % args.virtual_servers)));
        let all: Vec<_> = groups.chain(virtual_servers).chain(servers).chain(entries).collect();
        let (count, nodes) = (all.len(), args.nodes);
        let creating = all.into_iter().map(|(kind, spec)| world.create_one(kind, spec));
        stream::iter(creating).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        let text = format!("{count} objects and {nodes} gateways in {}", seconds(started.elapsed()));
        figures::add("created", text);
        Ok(world)
    }

    /// Entries that the table has in the end.
    pub(crate) fn entries(&self) -> usize {
        self.virtual_servers + self.servers + self.server_entries
    }

    /// Objects that have a status in the end.
    pub(crate) fn statuses(&self) -> usize {
        2 * self.virtual_servers + self.servers + self.server_entries
    }

    /// Gives an MCPServerEntry another address, by which the edit is known wherever it arrives.
    pub(crate) async fn edit(&self, edit: usize) -> anyhow::Result<()> {
        let name = format!("e{}", (edit * 7919) % self.server_entries);
        let patch = json!({ "spec": { "remoteUrl": format!("https://{name}.example.com/edit-{edit}") } });
        let api = self.api("MCPServerEntry");
        api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// Objects of a kind.
    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    async fn create_one(&self, kind: &str, object: Value) -> anyhow::Result<()> {
        let mut object = serde_json::from_value::<DynamicObject>(object)?;
        object.types = Some(kube::core::TypeMeta {
            api_version: "toolhive.stacklok.dev/v1beta1".to_owned(),
            kind: kind.to_owned(),
        });
        self.api(kind).create(&PostParams::default(), &object).await?;
        Ok(())
    }

    async fn gateway(&self, index: usize) -> anyhow::Result<()> {
        let name = format!("node-{index}");
        let nodes = Api::<Node>::all(self.client.clone());
        make(&nodes, json!({ "metadata": { "name": name } }), None).await?;
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.system);
        let pod = json!({
            "metadata": {
                "name": format!("gateway-{index}"),
                "labels": { "app.kubernetes.io/name": "tidegate-dataplane" },
            },
            "spec": { "nodeName": name, "containers": [{ "name": "dataplane", "image": "gateway" }] },
        });
        let status = json!({ "status": {
            "phase": "Running",
            "podIP": format!("10.1.{}.{}", index / 250, index % 250 + 1),
            "conditions": [{ "type": "Ready", "status": "True" }],
        } });
        make(&pods, pod, Some(status)).await
    }
}

async fn make<K>(api: &Api<K>, object: Value, status: Option<Value>) -> anyhow::Result<()>
where
    K: Resource + serde::de::DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
{
    let object = serde_json::from_value::<K>(object)?;
    let made = api.create(&PostParams::default(), &object).await?;
    if let Some(status) = status {
        api.patch_status(&made.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await?;
    }
    Ok(())
}

/// One of ours.
pub(crate) fn resource(kind: &str) -> ApiResource {
    let plural = match kind {
        "MCPServerEntry" => "mcpserverentries".to_owned(),
        _ => format!("{}s", kind.to_lowercase()),
    };
    let kind = GroupVersionKind::gvk("toolhive.stacklok.dev", "v1beta1", kind);
    ApiResource::from_gvk_with_plural(&kind, &plural)
}

fn group(i: usize) -> Value {
    json!({ "metadata": { "name": format!("g{i}") }, "spec": { "description": "measured" } })
}

fn virtual_server(i: usize) -> Value {
    json!({
        "metadata": { "name": format!("v{i}") },
        "spec": { "groupRef": { "name": format!("g{i}") }, "incomingAuth": { "type": "anonymous" } },
    })
}

fn server(i: usize, group: usize) -> Value {
    json!({
        "metadata": { "name": format!("s{i}") },
        "spec": {
            "image": "registry.example.com/server:1",
            "transport": "streamable-http",
            "mcpPort": 8080,
            "groupRef": { "name": format!("g{group}") },
        },
    })
}

fn entry(i: usize, group: usize) -> Value {
    json!({
        "metadata": { "name": format!("e{i}") },
        "spec": {
            "remoteUrl": format!("https://e{i}.example.com/mcp"),
            "transport": "streamable-http",
            "groupRef": { "name": format!("g{group}") },
        },
    })
}

//! Descriptions of what a cluster keeps: what an object is, its status, who uses it, and its events.

use anyhow::bail;
use serde_json::Value;
use tidegate_controlplane_api::Kind;

use super::page::Page;
use super::{DescribeArgs, events, grids};
use crate::cluster::{Cluster, ClusterError};
use crate::get::Scope;
use crate::output::print;
use crate::report_all;
use crate::resources::{Member, VirtualServer, conditions, members, unix_ms};

/// What is said of all kinds but VirtualMCPServer, where it is there.
const FIELDS: [(&str, &str); 20] = [
    ("Description", "/spec/description"),
    ("Type", "/spec/type"),
    ("Group", "/spec/groupRef/name"),
    ("Image", "/spec/image"),
    ("Transport", "/spec/transport"),
    ("Remote URL", "/spec/remoteUrl"),
    ("Workflow", "/spec/name"),
    ("Endpoint", "/spec/openTelemetry/endpoint"),
    ("Phase", "/status/phase"),
    ("Validation", "/status/validationStatus"),
    ("Errors", "/status/validationErrors"),
    ("Message", "/status/message"),
    ("URL", "/status/url"),
    ("External URL", "/status/externalUrl"),
    ("Replicas", "/status/readyReplicas"),
    ("Servers", "/status/servers"),
    ("Proxies", "/status/remoteProxies"),
    ("Entries", "/status/entries"),
    ("Config hash", "/status/configHash"),
    ("Used by", "/status/referencingVirtualServers"),
];
/// kubectl keeps the manifest in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Describes all objects of the names (backends of several kinds may share one).
pub(super) async fn run(args: &DescribeArgs, cluster: &Cluster) -> anyhow::Result<()> {
    let [subject] = &args.asked.subjects[..] else { bail!("objects of one kind at a time are described") };
    let scope = Scope { whole: true, ..Scope::new(cluster, &args.selection) };
    let (listings, problems) = scope.look(subject, &args.names).await?;
    let page = Page::new();
    let mut texts = Vec::new();
    for listing in &listings {
        for row in listing.table.rows() {
            texts.push(describe(&page, &scope, listing.kind, &row.object).await);
        }
    }
    print(&texts.join("\n"))?;
    report_all(problems)
}

async fn describe(page: &Page, scope: &Scope<'_>, kind: Kind, object: &Value) -> String {
    let metadata = metadata(page, object);
    let metadata: Vec<(&str, &str)> = metadata.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut text = if kind == Kind::VirtualMcpServer {
        page.virtual_server(&VirtualServer::of_object(object), &metadata, None)
    } else {
        fields(page, kind, object, &metadata)
    };
    let namespace = text_of(&object["metadata"]["namespace"]);
    if kind.is_backend() {
        text += &users(page, scope, &namespace, &text_of(&object["metadata"]["name"])).await;
    }
    if kind != Kind::VirtualMcpServer {
        text += &page.conditions(&conditions(object));
    }
    match scope.cluster.events(&namespace, &text_of(&object["metadata"]["uid"])).await {
        Ok(found) => {
            let (title, grid) = events::section(found, |time| page.ago(time));
            text + &page.grid(&title, &grid)
        }
        Err(error) => text + &unknown(page, "Events", &error),
    }
}

fn fields(page: &Page, kind: Kind, object: &Value, metadata: &[(&str, &str)]) -> String {
    let found: Vec<(&str, String)> = FIELDS
        .iter()
        .filter_map(|(name, pointer)| Some((*name, text_of(object.pointer(pointer)?))))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let (name, namespace) = (text_of(&object["metadata"]["name"]), text_of(&object["metadata"]["namespace"]));
    let mut fields = vec![("Name", name.as_str()), ("Namespace", &namespace), ("Kind", kind.as_str())];
    fields.extend(found.iter().map(|(name, value)| (*name, value.as_str())));
    fields.extend(metadata);
    page.fields(&fields)
}

/// What Kubernetes knows of every object.
fn metadata(page: &Page, object: &Value) -> Vec<(&'static str, String)> {
    let metadata = &object["metadata"];
    let time = |value: &Value| page.ago(unix_ms(&text_of(value)));
    let mut fields = vec![("Created", time(&metadata["creationTimestamp"]))];
    if let Value::String(_) = metadata["deletionTimestamp"] {
        let finalizers = text_of(&metadata["finalizers"]).replace('\n', ", ");
        fields.push(("Deleted", format!("{}, held by {finalizers}", time(&metadata["deletionTimestamp"]))));
    }
    fields.push(("Observed", observed(object)));
    fields.push(("Labels", pairs(&metadata["labels"])));
    fields.push(("Annotations", pairs(&metadata["annotations"])));
    fields.retain(|(_, value)| !value.is_empty());
    fields
}

/// Whether the status is about the spec as it is.
fn observed(object: &Value) -> String {
    let generation = &object["metadata"]["generation"];
    match object["status"]["observedGeneration"].as_i64() {
        None => "no: no control plane has written the status yet".to_owned(),
        Some(seen) if Some(seen) == generation.as_i64() => format!("yes, generation {seen}"),
        Some(seen) => format!("no: the status is about generation {seen}, the object has {generation}"),
    }
}

fn pairs(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten().filter(|(name, _)| *name != LAST_APPLIED);
    pairs.map(|(name, value)| format!("{name}={}", text_of(value))).collect::<Vec<_>>().join("\n")
}

/// How a backend stands with the virtual servers that have it.
async fn users(page: &Page, scope: &Scope<'_>, namespace: &str, backend: &str) -> String {
    let query = scope.query(Kind::VirtualMcpServer, Some(namespace), None);
    let servers = match scope.cluster.rows(&query).await {
        Ok(servers) => servers,
        Err(error) => return unknown(page, "Virtual servers", &error),
    };
    let standing = |server: &Value| {
        let member = members(server).into_iter().find(|member| member.workload == backend)?;
        Some(Member { workload: text_of(&server["metadata"]["name"]), ..member })
    };
    let standings: Vec<Member> = servers.rows().iter().filter_map(|row| standing(&row.object)).collect();
    page.grid("Virtual servers", &grids::members(&standings, None, |time| page.ago(time)))
}

/// A section that could not be had; the rest is said all the same.
fn unknown(page: &Page, title: &str, error: &ClusterError) -> String {
    let error = error.to_string();
    page.fields(&[(title, error.lines().next().unwrap_or_default())])
}

/// Text as it is, numbers as text, lists line by line.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

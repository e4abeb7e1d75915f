//! `metadata` of child objects: names, labels (spec 2.6.2), the owner.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tidegate_controlplane_api::meta::{GROUP, VERSIONS};
use tidegate_controlplane_api::{Kind, ObjectRef};

use super::ChildKey;

/// Who keeps our children: the field manager's and the controller's name.
pub(crate) const CONTROLLER: &str = "tidegate-controlplane";

/// All that `metadata` follows from.
#[derive(Clone, Copy)]
pub(super) struct Meta<'a> {
    pub(super) key: &'a ChildKey,
    pub(super) owner: &'a ObjectRef,
    pub(super) uid: &'a str,
}

impl Meta<'_> {
    /// The body up to `metadata`, with labels beside the usual ones, which win.
    pub(super) fn body<'l>(self, more: impl IntoIterator<Item = (&'l str, &'l str)>) -> Map<String, Value> {
        let Meta { key, owner, uid } = self;
        let mut labels = labels(owner);
        for (name, value) in more {
            labels.entry(name.to_owned()).or_insert_with(|| json!(value));
        }
        let mut body = Map::new();
        body.insert("apiVersion".to_owned(), json!(key.kind.api_version()));
        body.insert("kind".to_owned(), json!(key.kind.as_str()));
        let metadata = json!({
            "name": *key.name,
            "namespace": *key.namespace,
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": format!("{GROUP}/{}", VERSIONS[0]),
                "kind": owner.kind.as_str(),
                "name": *owner.name,
                "uid": uid,
                "controller": true,
            }],
        });
        body.insert("metadata".to_owned(), metadata);
        body
    }
}

/// The labels that the original gives what it makes for an object, so that selectors of others still find it.
pub(super) fn labels(owner: &ObjectRef) -> BTreeMap<String, Value> {
    let app = app(owner.kind);
    let labels = [
        ("app", app),
        ("app.kubernetes.io/instance", &*owner.name),
        ("app.kubernetes.io/managed-by", CONTROLLER),
        ("app.kubernetes.io/name", app),
        ("toolhive", "true"),
        ("toolhive-name", &*owner.name),
    ];
    labels.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn app(kind: Kind) -> &'static str {
    match kind {
        Kind::VirtualMcpServer => "virtualmcpserver",
        Kind::McpRemoteProxy => "mcpremoteproxy",
        _ => "mcpserver",
    }
}

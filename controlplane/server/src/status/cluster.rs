//! Statuses in a cluster: by server-side apply on the status subresource, by the leader, and only where the one that is there differs.

use std::fmt;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_api::meta::{GROUP, VERSIONS};
use tidegate_controlplane_compile::NamespacedName;
use tokio::sync::watch;

use super::document::{fields, unix_ms};
use super::transitions::Since;
use super::{Status, Step};
use crate::cluster::{NAME, covers};
use crate::source::kubernetes::{Mirrors, resource};

/// Writes to the API server.
pub struct ClusterWriter {
    client: Client,
    mirrors: Mirrors,
    pub(super) leading: watch::Receiver<bool>,
}

impl ClusterWriter {
    /// Writes while it leads.
    pub fn new(client: Client, mirrors: Mirrors, leading: watch::Receiver<bool>) -> Self {
        Self { client, mirrors, leading }
    }

    /// Since when conditions hold, as the statuses say that are there.
    pub(super) fn written(&self) -> Vec<(ObjectRef, Vec<Since>)> {
        let mut written = Vec::new();
        for mirror in self.mirrors.customs.values() {
            mirror.look(|objects| {
                for custom in objects.values() {
                    let conditions = since(&custom.status);
                    if let Some(object) = custom.object.clone().filter(|_| !conditions.is_empty()) {
                        written.push((object, conditions));
                    }
                }
            });
        }
        written
    }

    /// Objects that have no status.
    pub(super) fn bare(&self) -> Vec<ObjectRef> {
        let mut bare = Vec::new();
        for mirror in self.mirrors.customs.values() {
            mirror.look(|objects| {
                let without = objects.values().filter(|custom| custom.status.is_null());
                bare.extend(without.filter_map(|custom| custom.object.clone()));
            });
        }
        bare
    }

    /// Carries one step out; whether anything was written.
    pub(super) async fn carry_out(&self, step: &Step) -> Result<bool, kube::Error> {
        match step {
            Step::Put(object, status) => self.put(object, status).await,
            // It went with its object.
            Step::Remove(_) => Ok(false),
        }
    }

    async fn put(&self, object: &ObjectRef, status: &Status) -> Result<bool, kube::Error> {
        let desired = fields(status);
        let name = NamespacedName { namespace: object.namespace.clone(), name: object.name.clone() };
        let observed =
            self.mirrors.customs.get(&object.kind).and_then(|mirror| {
                mirror.look(|objects| objects.get(&name).map(|custom| custom.status.clone()))
            });
        // An object that is gone has no status, one that has this status needs no write.
        if observed.is_none_or(|observed| covers(&observed, &desired)) {
            return Ok(false);
        }
        let resource = resource(object.kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &object.namespace, &resource);
        let body = json!({
            "apiVersion": format!("{GROUP}/{}", VERSIONS[0]),
            "kind": object.kind.as_str(),
            "metadata": { "name": &*object.name, "namespace": &*object.namespace },
            "status": desired,
        });
        let params = PatchParams::apply(NAME).force();
        match api.patch_status(&object.name, &params, &Patch::Apply(&body)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for ClusterWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterWriter").finish_non_exhaustive()
    }
}

fn since(status: &Value) -> Vec<Since> {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let text = |condition: &Value, field: &str| Some(condition.get(field)?.as_str()?.to_owned());
    let since = |condition: &Value| {
        Some(Since {
            r#type: text(condition, "type")?,
            holds: text(condition, "status")? == "True",
            unix_ms: unix_ms(&text(condition, "lastTransitionTime")?),
        })
    };
    conditions.into_iter().flatten().filter_map(since).collect()
}

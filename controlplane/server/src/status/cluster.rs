//! Statuses in a cluster: by merge patch on the status subresource, by the leader, and only where the one that is there differs. Not by
//! server-side apply: that fails as a whole where the CRD of another version lacks a field, a merge patch loses that field only.

use std::fmt;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_compile::NamespacedName;
use tokio::sync::watch;

use super::document::{fields, unix_ms};
use super::transitions::Since;
use super::{Status, Step};
use crate::cluster::{NAME, answer, covers};
use crate::metrics;
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
        let Some(observed) = observed.filter(|observed| !covers(observed, &desired)) else {
            return Ok(false);
        };
        let resource = resource(object.kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &object.namespace, &resource);
        let body = json!({ "status": replacing(&observed, desired) });
        let params = PatchParams { field_manager: Some(NAME.to_owned()), ..PatchParams::default() };
        let result = answer(api.patch_status(&object.name, &params, &Patch::Merge(&body))).await;
        metrics::wrote("status", result.is_ok());
        match result {
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

/// The patch that makes `desired` of what is there: fields that are not wanted any more are null (RFC 7396).
fn replacing(observed: &Value, mut desired: Value) -> Value {
    if let (Some(observed), Some(desired)) = (observed.as_object(), desired.as_object_mut()) {
        for field in observed.keys() {
            desired.entry(field.clone()).or_insert(Value::Null);
        }
    }
    desired
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_takes_away_what_is_not_said_any_more() {
        let observed = json!({ "phase": "Failed", "message": "words", "conditions": [1] });
        let patch = replacing(&observed, json!({ "phase": "Ready", "conditions": [2] }));
        assert_eq!(patch, json!({ "phase": "Ready", "conditions": [2], "message": null }));
        assert_eq!(replacing(&Value::Null, json!({ "phase": "Ready" })), json!({ "phase": "Ready" }));
    }
}

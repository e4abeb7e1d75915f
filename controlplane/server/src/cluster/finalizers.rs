//! Puts finalizers on objects whose deletion has to wait, and takes them off (spec 2.1, 1.15).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_compile::{Compiled, Finalizer, NamespacedName};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{NAME, Pace, answer};
use crate::metrics;
use crate::pipeline::Outcome;
use crate::source::kubernetes::{Mirrors, resource};

/// Between two looks at least.
const PACE: Duration = Duration::from_millis(500);
/// A finalizer goes so long after it is not needed any more: what the deletion means for other objects' statuses is written first.
const GRACE: Duration = Duration::from_secs(1);
/// Between two looks at most.
const RESYNC: Duration = Duration::from_secs(600);

/// Keeps finalizers as compiling wants them, while leading.
pub struct Holder {
    /// To write with.
    pub client: Client,
    /// What is there.
    pub mirrors: Mirrors,
    /// What should be.
    pub outcomes: watch::Receiver<Arc<Outcome>>,
    /// Whether to write.
    pub leading: watch::Receiver<bool>,
}

/// One list of finalizers to write.
struct Write {
    object: ObjectRef,
    /// The version that it is made from: a change in between refuses it.
    version: String,
    finalizers: Vec<String>,
    releases: bool,
}

impl Holder {
    /// Until dropped.
    pub async fn run(mut self) {
        let (epoch, mut pace, mut released) = (Instant::now(), Pace::default(), BTreeMap::new());
        loop {
            let outcome = Arc::clone(&*self.outcomes.borrow_and_update());
            let mut again = RESYNC;
            let leads = *self.leading.borrow_and_update();
            if let (true, Some(compiled)) = (leads, &outcome.compiled) {
                let due = self.round(compiled, &mut pace, &mut released, epoch).await;
                again = due.map_or(RESYNC, |at| at.saturating_sub(epoch.elapsed()).max(PACE));
            }
            tokio::time::sleep(PACE).await;
            tokio::select! {
                changed = self.outcomes.changed() => if changed.is_err() { return },
                changed = self.leading.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(again) => {}
            }
        }
    }

    /// Writes what is due; says when the next is.
    async fn round(
        &self,
        compiled: &Compiled,
        pace: &mut Pace<ObjectRef>,
        released: &mut BTreeMap<ObjectRef, Duration>,
        epoch: Instant,
    ) -> Option<Duration> {
        let writes: Vec<Write> = compiled
            .finalizers
            .iter()
            .filter_map(|(object, finalizer)| self.difference(object, finalizer))
            .collect();
        pace.retain(|object| writes.iter().any(|write| write.object == *object));
        released.retain(|object, _| writes.iter().any(|write| write.releases && write.object == *object));
        for write in writes {
            let now = epoch.elapsed();
            let since =
                if write.releases { *released.entry(write.object.clone()).or_insert(now) } else { now };
            if (write.releases && now < since + GRACE) || !pace.ready(&write.object, now) {
                continue;
            }
            self.write(&write, pace, epoch).await;
        }
        let waiting = released.values().map(|since| *since + GRACE).min();
        waiting.into_iter().chain(pace.next()).min()
    }

    /// What is to be written, if the object is there and differs.
    fn difference(&self, object: &ObjectRef, finalizer: &Finalizer) -> Option<Write> {
        let name = NamespacedName { namespace: object.namespace.clone(), name: object.name.clone() };
        let (document, version) = self.mirrors.customs.get(&object.kind)?.look(|objects| {
            objects.get(&name).and_then(|custom| Some((custom.document.clone()?, custom.version.clone())))
        })?;
        let metadata = document.object.metadata();
        let has = metadata.finalizers.iter().any(|known| *known == finalizer.name);
        let mut finalizers = metadata.finalizers.clone();
        match (finalizer.hold, has) {
            // The API server takes no new finalizers for what is being deleted.
            (true, false) if metadata.deletion_timestamp.is_none() => {
                finalizers.push(finalizer.name.to_string());
            }
            (false, true) => finalizers.retain(|known| *known != finalizer.name),
            _ => return None,
        }
        Some(Write { object: object.clone(), version, finalizers, releases: !finalizer.hold })
    }

    async fn write(&self, write: &Write, pace: &mut Pace<ObjectRef>, epoch: Instant) {
        let Write { object, version, finalizers, .. } = write;
        let resource = resource(object.kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &object.namespace, &resource);
        let body = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
        let params = PatchParams { field_manager: Some(NAME.to_owned()), ..PatchParams::default() };
        let result = answer(api.patch(&object.name, &params, &Patch::Merge(&body))).await;
        metrics::wrote("finalizer", result.is_ok());
        match result {
            Ok(_) => pace.settled(object),
            // Gone, or changed since: the watch tells.
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {
                pace.failed(object, epoch.elapsed());
            }
            Err(error) => {
                if pace.failed(object, epoch.elapsed()) {
                    tracing::warn!(%error, %object, "cannot change the finalizers, trying again");
                }
            }
        }
    }
}

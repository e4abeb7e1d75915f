//! A pod's life: bound, started, ready, stopped, gone.

use super::container::{self, Container, State};
use super::{Shared, schedule, status};
use crate::network::Address;
use anyhow::Context as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions, Request};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A pod that has this annotation with the value `false` is not ready, whatever its containers say.
pub const READY_ANNOTATION: &str = "test-cluster/ready";

const RETRY: Duration = Duration::from_millis(200);
const DEFAULT_GRACE: i64 = 30;

type Updates = watch::Receiver<Arc<Pod>>;

/// Lives until the pod is deleted: `updates` closes then.
pub(super) async fn live(shared: Arc<Shared>, mut updates: Updates) {
    let mut closed = updates.clone();
    let gone = async move { while closed.changed().await.is_ok() {} };
    tokio::select! {
        () = gone => {}
        () = until_deleted(&shared, &mut updates) => {}
    }
}

async fn until_deleted(shared: &Arc<Shared>, updates: &mut Updates) {
    let Some(node) = bound(shared, updates).await else { return };
    let Some(host) = shared.node_address(&node) else { return };
    let pod = Arc::clone(&updates.borrow());
    let on_host = pod.spec.as_ref().and_then(|s| s.host_network).unwrap_or_default();
    let own = (!on_host).then(Address::take);
    let ip = own.as_ref().map_or(host, Address::ip);
    let sandbox = Sandbox { shared, ip, host, started: Timestamp::now() };

    let containers =
        pod.spec.iter().flat_map(|s| s.containers.clone()).map(|c| Container::of(c, &pod, ip, &node));
    let containers: Vec<_> = containers.collect();
    let (states, mut changes) = watch::channel(vec![State::starting(); containers.len()]);
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for (index, container) in containers.into_iter().enumerate() {
        tasks.spawn(container::run(Arc::clone(shared), container, index, states.clone(), stopping.clone()));
    }
    sandbox.report(updates, &mut changes).await;

    let pod = Arc::clone(&updates.borrow());
    let grace = seconds(pod.metadata.deletion_grace_period_seconds.unwrap_or(DEFAULT_GRACE));
    let end = async {
        tokio::time::sleep(pre_stop(&pod)).await;
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
    };
    let in_time = tokio::time::timeout(grace, end).await.is_ok();
    tracing::debug!(pod = pod.metadata.name, in_time, "the containers ended");
    tasks.shutdown().await;
    remove(shared, &pod).await;
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(n.try_into().unwrap_or_default())
}

/// The longest of the containers' `preStop.sleep`.
fn pre_stop(pod: &Pod) -> Duration {
    let containers = pod.spec.iter().flat_map(|s| &s.containers);
    let sleeps = containers.filter_map(|c| c.lifecycle.as_ref()?.pre_stop.as_ref()?.sleep.as_ref());
    seconds(sleeps.map(|s| s.seconds).max().unwrap_or_default())
}

/// Binds the pod if no one has, and says to which node it is. `None` when that is not ours, or the pod is to go.
async fn bound(shared: &Shared, updates: &mut Updates) -> Option<String> {
    loop {
        let pod = Arc::clone(&updates.borrow_and_update());
        if let Some(node) = pod.spec.as_ref().and_then(|s| s.node_name.clone()) {
            return Some(node);
        }
        if pod.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let names = shared.node_names();
        let fitting = schedule::fitting(&pod, &names);
        let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
        let bound = match fitting.get(turn % fitting.len().max(1)) {
            Some(node) => bind(shared, &pod, node).await,
            None => Err(anyhow::anyhow!("no node fits")),
        };
        match bound {
            Ok(()) => updates.changed().await.ok()?,
            Err(error) => {
                tracing::debug!(pod = pod.metadata.name, %error, "not bound");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn bind(shared: &Shared, pod: &Pod, node: &str) -> anyhow::Result<()> {
    let (namespace, name) = key(pod)?;
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let pods = Api::<Pod>::namespaced(shared.client.clone(), namespace);
    let request = Request::new(pods.resource_url()).create_subresource(
        "binding",
        name,
        &PostParams::default(),
        serde_json::to_vec(&binding)?,
    )?;
    shared.client.request::<Value>(request).await?;
    Ok(())
}

fn key(pod: &Pod) -> anyhow::Result<(&str, &str)> {
    let namespace = pod.metadata.namespace.as_deref().context("a pod without a namespace")?;
    Ok((namespace, pod.metadata.name.as_deref().context("a pod without a name")?))
}

/// Takes the pod out of the API, as a kubelet does when its containers have ended.
async fn remove(shared: &Shared, pod: &Pod) {
    let Ok((namespace, name)) = key(pod) else { return };
    let pods = Api::<Pod>::namespaced(shared.client.clone(), namespace);
    let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    // when it is gone, whoever took it away, `live` ends this
    while let Err(error) = pods.delete(name, &now).await {
        tracing::debug!(name, %error, "not removed");
        tokio::time::sleep(RETRY).await;
    }
}

struct Sandbox<'a> {
    shared: &'a Shared,
    ip: Ipv4Addr,
    host: Ipv4Addr,
    started: Timestamp,
}

impl Sandbox<'_> {
    /// Writes the pod's status as often as it changes, until the pod is to be deleted.
    async fn report(&self, updates: &mut Updates, changes: &mut watch::Receiver<Vec<State>>) {
        let mut written = None;
        loop {
            let pod = Arc::clone(&updates.borrow_and_update());
            if pod.metadata.deletion_timestamp.is_some() {
                return;
            }
            let held =
                pod.metadata.annotations.iter().flatten().any(|(k, v)| k == READY_ANNOTATION && v == "false");
            let states = changes.borrow_and_update().clone();
            let status = status::of(&pod, &states, held, (self.ip, self.host), self.started);
            if written.as_ref() != Some(&status) {
                if let Err(error) = self.write(&pod, &status).await {
                    tracing::debug!(pod = pod.metadata.name, %error, "status not written");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                written = Some(status);
            }
            let more = tokio::select! {
                update = updates.changed() => update.is_ok(),
                change = changes.changed() => change.is_ok(),
            };
            if !more {
                return;
            }
        }
    }

    async fn write(&self, pod: &Pod, status: &Value) -> anyhow::Result<()> {
        let (namespace, name) = key(pod)?;
        let pods = Api::<Pod>::namespaced(self.shared.client.clone(), namespace);
        let patch = json!({"metadata": {"uid": pod.metadata.uid}, "status": status});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }
}

//! A cluster as a source: lists and watches on the API server, put together into a view whenever they change. Nothing is shown before
//! every resource has been listed once; what cannot be followed any more stays as it was last known.

mod custom;
mod dirty;
mod mirror;
mod mirrors;
mod native;
mod retry;
mod trouble;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Observation, Observations};

pub use custom::{Custom, resource};
pub use dirty::Dirty;
pub use mirror::Mirror;
pub use mirrors::Mirrors;
pub use native::Body;
use view::Observer;

/// Selects what we made, and what Kubernetes made of it.
pub const OURS: &str = "app.kubernetes.io/managed-by=tidegate-controlplane";
/// Selects the pods of the gateways, in the control plane's namespace.
pub const GATEWAY_PODS: &str = "app.kubernetes.io/name=tidegate-dataplane";

/// While changes come all the time, putting them together may take this share of it: one part in so many.
const SHARE: u32 = 3;
/// Between attempts to reach the API server at the start.
const RETRY: Duration = Duration::from_secs(1);

/// What part of a cluster is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Where the control plane and the gateways run.
    pub system_namespace: String,
    /// Brings the bridge for stdio servers; none: that of this release.
    pub bridge_image: Option<Arc<str>>,
}

/// A running source; the watches end when it is dropped.
#[derive(Debug)]
pub struct KubernetesSource {
    observations: Observations,
    mirrors: Mirrors,
    dirty: Dirty,
    _tasks: JoinSet<()>,
}

impl KubernetesSource {
    /// Starts the watches. `debounce`: window in which changes are collected after one that was taken at once.
    pub fn start(client: &Client, scope: &Scope, debounce: Duration) -> Self {
        let (dirty, mut tasks) = (Dirty::default(), JoinSet::new());
        let (changes, ready) = (dirty.view(), watch::Sender::new(false));
        let mirrors = Mirrors::start(client, scope, &dirty, &ready, &mut tasks);
        tasks.spawn(begin(client.clone(), scope.clone(), dirty.clone(), ready));
        let (sender, observations) = watch::channel(Arc::new(Observation::default()));
        let observer = Observer::new(mirrors.clone(), scope.bridge_image.clone());
        tasks.spawn(put_together(observer, dirty.clone(), changes, debounce, sender));
        Self { observations, mirrors, dirty, _tasks: tasks }
    }

    /// Observations as they come.
    pub fn observations(&self) -> Observations {
        self.observations.clone()
    }

    /// What is in the API server, for who compares it with what should be.
    pub fn mirrors(&self) -> &Mirrors {
        &self.mirrors
    }

    /// Tells of changes, and how new the view is.
    pub fn dirty(&self) -> &Dirty {
        &self.dirty
    }
}

/// Asks how new the cluster is before anything is listed: what is listed later is at least as new. Without this, a replica that starts
/// after the last change was a deletion would take itself for older than those that saw it.
async fn begin(client: Client, scope: Scope, dirty: Dirty, ready: watch::Sender<bool>) {
    let pods = Api::<PartialObjectMeta<Pod>>::namespaced(client, &scope.system_namespace);
    // Not from the API server's memory: without a version asked for, a list is as new as can be.
    let params = ListParams::default().limit(1).labels(GATEWAY_PODS);
    loop {
        match pods.list(&params).await {
            Ok(list) => break dirty.saw_version(list.metadata.resource_version.as_deref()),
            // Watches say why; those that work are not held up by what is forbidden here.
            Err(kube::Error::Api(_)) => break,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
    ready.send_replace(true);
}

/// Makes an observation of the first change after a rest at once, and of those that follow together.
async fn put_together(
    mut observer: Observer,
    dirty: Dirty,
    mut changes: watch::Receiver<u64>,
    debounce: Duration,
    observations: watch::Sender<Arc<Observation>>,
) {
    while changes.changed().await.is_ok() {
        // Before the mirrors are looked at: they may be newer than that, never older.
        let (epoch, started) = (dirty.revision(), Instant::now());
        let observation = tokio::task::block_in_place(|| observer.observe(epoch));
        observations.send_replace(Arc::new(observation));
        tokio::time::sleep(debounce.max(started.elapsed() * (SHARE - 1))).await;
    }
}

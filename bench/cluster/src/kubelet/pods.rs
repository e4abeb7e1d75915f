//! One task for each pod that there is.

use super::{Shared, pod};
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const RETRY: Duration = Duration::from_millis(200);

/// A pod's task, which ends when it is told no more.
type Known = HashMap<String, watch::Sender<Arc<Pod>>>;

pub(super) async fn run(shared: Arc<Shared>) {
    let mut events = pin!(watcher(Api::<Pod>::all(shared.client.clone()), watcher::Config::default()));
    let mut known = Known::new();
    let mut listed = HashSet::new();
    let mut tasks = JoinSet::new();
    while let Some(event) = events.next().await {
        while tasks.try_join_next().is_some() {}
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                listed.extend(pod.metadata.uid.clone());
                seen(pod, &mut known, &mut tasks, &shared);
            }
            Ok(Event::InitDone) => known.retain(|uid, _| listed.contains(uid)),
            Ok(Event::Apply(pod)) => seen(pod, &mut known, &mut tasks, &shared),
            Ok(Event::Delete(pod)) => drop(pod.metadata.uid.and_then(|uid| known.remove(&uid))),
            Err(error) => {
                tracing::debug!(%error, "the watch of pods broke");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn seen(pod: Pod, known: &mut Known, tasks: &mut JoinSet<()>, shared: &Arc<Shared>) {
    let Some(uid) = pod.metadata.uid.clone() else { return };
    let pod = Arc::new(pod);
    if let Some(sender) = known.get(&uid) {
        sender.send_replace(pod);
        return;
    }
    let (sender, receiver) = watch::channel(pod);
    known.insert(uid, sender);
    tasks.spawn(pod::live(Arc::clone(shared), receiver));
}

//! What goes wrong on demand. Clusters of their own.

use crate::DEADLINE;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use std::pin::pin;
use std::time::Duration;
use tidegate_bench_cluster::{Cluster, Options, eventually};

/// A request of this takes milliseconds: what takes so long is not answered.
const NOT_ANSWERED: Duration = Duration::from_secs(2);

async fn watch_ends_with(configs: &Api<ConfigMap>, version: &str) -> Option<u16> {
    let events = configs.watch(&WatchParams::default().timeout(10), version).await;
    let mut events = match events {
        Err(kube::Error::Api(status)) => return Some(status.code),
        events => pin!(events.expect("a watch")),
    };
    match events.next().await? {
        Ok(WatchEvent::Error(status)) => Some(status.code),
        Err(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}

#[tokio::test]
async fn the_api_server_stops_and_comes_back_with_what_it_had() {
    let cluster = Cluster::start().await.expect("a cluster");
    let namespace = cluster.namespace("outage").await.expect("a namespace");
    let configs = Api::<ConfigMap>::namespaced(cluster.client().expect("a client"), &namespace);
    let mut config = ConfigMap::default();
    config.metadata.name = Some("kept".to_owned());
    configs.create(&PostParams::default(), &config).await.expect("an object");
    let version = configs.list(&ListParams::default()).await.expect("a list").metadata.resource_version;
    let version = version.expect("a version");

    cluster.stop_apiserver().await.expect("stopped");
    configs.get("kept").await.expect_err("no one answers");
    cluster.start_apiserver().await.expect("started");
    configs.get("kept").await.expect("it is still there");

    cluster.pause_apiserver().await.expect("paused");
    tokio::time::timeout(NOT_ANSWERED, configs.get("kept")).await.expect_err("it does not answer");
    cluster.resume_apiserver().await.expect("resumed");
    configs.get("kept").await.expect("it answers again");

    // the watch cache of a server that has just started knows no history
    cluster.stop_apiserver().await.expect("stopped");
    cluster.compact().await.expect("compacted");
    cluster.start_apiserver().await.expect("started");
    assert_eq!(watch_ends_with(&configs, &version).await, Some(410));
}

#[tokio::test]
async fn without_the_watch_cache_a_compaction_is_enough_for_410() {
    let cluster =
        Cluster::start_with(Options { watch_cache: false, ..Options::default() }).await.expect("a cluster");
    let namespace = cluster.namespace("compact").await.expect("a namespace");
    let configs = Api::<ConfigMap>::namespaced(cluster.client().expect("a client"), &namespace);
    let version = configs.list(&ListParams::default()).await.expect("a list").metadata.resource_version;
    let version = version.expect("a version");
    cluster.compact().await.expect("compacted");
    assert_eq!(watch_ends_with(&configs, &version).await, Some(410));
}

#[tokio::test]
async fn a_dropped_cluster_leaves_nothing() {
    let cluster = Cluster::start().await.expect("a cluster");
    let directory = cluster.kubeconfig().parent().expect("its directory").to_owned();
    let pids = cluster.pids().await;
    assert_eq!(pids.len(), 3);
    drop(cluster);
    assert!(!directory.exists());
    for pid in pids {
        eventually("the process is gone", DEADLINE, async || {
            (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
        })
        .await
        .expect("gone");
    }
}

//! Pods that the real controllers make and the stand-in for the kubelet runs.

use crate::DEADLINE;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::process::Command;
use tidegate_bench_cluster::kubelet::{Container, READY_ANNOTATION, Runs};
use tidegate_bench_cluster::{Cluster, eventually, shared};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A workload of `kind` named `web`, with a headless Service, whose container `extra` adds to.
fn workload(kind: &str, image: &str, extra: Value) -> String {
    let labels = json!({"app": "web"});
    let mut container = json!({"name": "c", "image": image, "ports": [{"containerPort": 8080}]});
    container.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    let mut spec = json!({"selector": {"matchLabels": labels}, "template": template});
    if kind == "StatefulSet" {
        spec["serviceName"] = json!("web");
    }
    let service = json!({"clusterIP": "None", "selector": labels, "ports": [{"port": 8080}]});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
    ]})
    .to_string()
}

struct Web {
    cluster: &'static Cluster,
    namespace: String,
    client: Client,
}

impl Web {
    async fn apply(kind: &str, image: &str, extra: Value, runs: Runs) -> Self {
        let cluster = shared().await.expect("a cluster");
        let namespace = cluster.namespace("web").await.expect("a namespace");
        cluster.kubelet().await.expect("a kubelet").set(image, runs);
        let manifests = workload(kind, image, extra);
        cluster.kubectl_ok(&["apply", "-n", &namespace, "-f", "-"], &manifests).await.expect("applied");
        Self { cluster, namespace, client: cluster.client().expect("a client") }
    }

    async fn pods(&self) -> Vec<Pod> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        pods.list(&ListParams::default()).await.expect("pods").items
    }

    async fn endpoints(&self) -> Vec<Endpoint> {
        let slices = Api::<EndpointSlice>::namespaced(self.client.clone(), &self.namespace);
        let list = slices.list(&ListParams::default()).await.expect("slices");
        list.items.into_iter().flat_map(|slice| slice.endpoints.into_iter().flatten()).collect()
    }

    /// Waits for an endpoint with these conditions, and gives its address.
    async fn endpoint(&self, ready: bool, terminating: bool) -> String {
        let found = eventually("the endpoint is as wanted", DEADLINE, async || {
            self.endpoints().await.into_iter().find(|endpoint| {
                let conditions = endpoint.conditions.clone().unwrap_or_default();
                (conditions.ready, conditions.terminating) == (Some(ready), Some(terminating))
            })
        });
        found.await.expect("an endpoint").addresses.swap_remove(0)
    }

    async fn waiting(&self, reason: &str) {
        eventually("the container waits", DEADLINE, async || {
            let pods = serde_json::to_value(self.pods().await).expect("JSON");
            let waits = pods.pointer("/0/status/containerStatuses/0/state/waiting/reason");
            (waits.and_then(Value::as_str) == Some(reason)).then_some(())
        })
        .await
        .expect("a waiting container");
    }

    async fn gone(&self) {
        eventually("pods and endpoints are gone", DEADLINE, async || {
            (self.pods().await.is_empty() && self.endpoints().await.is_empty()).then_some(())
        })
        .await
        .expect("gone");
    }

    async fn delete(&self, kind: &str) {
        let args = ["delete", kind, "web", "-n", &self.namespace, "--wait=false"];
        self.cluster.kubectl_ok(&args, "").await.expect("deleted");
    }
}

/// Answers each connection with the container's variable WORD.
async fn says_its_word(container: Container) -> anyhow::Result<()> {
    let addr = container.addresses().next().expect("a port");
    let word = container.env.iter().find(|(name, _)| name == "WORD").map(|(_, value)| value.clone());
    let listener = TcpListener::bind(addr).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(word.as_deref().unwrap_or("nothing").as_bytes()).await?;
    }
}

async fn said_by(address: &str) -> String {
    let mut text = String::new();
    let mut stream = TcpStream::connect((address, 8080)).await.expect("a connection");
    stream.read_to_string(&mut text).await.expect("an answer");
    text
}

#[tokio::test]
async fn a_stateful_sets_pod_serves_at_its_address_and_is_gone_when_deleted() {
    let reference = json!({"name": "words", "key": "first"});
    let env = json!({"env": [{"name": "WORD", "valueFrom": {"secretKeyRef": reference}}]});
    let web = Web::apply("StatefulSet", "word:1", env, Runs::server(says_its_word)).await;
    web.waiting("CreateContainerConfigError").await;
    let secret = ["create", "secret", "generic", "words", "--from-literal=first=ahoy", "-n", &web.namespace];
    web.cluster.kubectl_ok(&secret, "").await.expect("a secret");

    let address = web.endpoint(true, false).await;
    assert_eq!(said_by(&address).await, "ahoy");
    let pods = web.pods().await;
    let status = pods[0].status.clone().expect("a status");
    assert_eq!((status.phase.as_deref(), status.pod_ip), (Some("Running"), Some(address.clone())));
    assert_eq!(pods[0].metadata.name.as_deref(), Some("web-0"));

    web.delete("statefulset").await;
    web.gone().await;
    TcpStream::connect((address.as_str(), 8080)).await.expect_err("no one listens there now");
}

#[tokio::test]
async fn a_daemon_set_has_a_pod_on_each_node() {
    let web = Web::apply("DaemonSet", "nothing:1", json!({}), Runs::Nothing).await;
    let nodes = eventually("a ready endpoint on each of the first nodes", DEADLINE, async || {
        let endpoints = web.endpoints().await;
        let ready = endpoints.iter().filter(|e| e.conditions.as_ref().and_then(|c| c.ready) == Some(true));
        let nodes: Vec<_> = ready.filter_map(|e| e.node_name.clone()).collect();
        ["node-a", "node-b"].iter().all(|name| nodes.iter().any(|node| node == name)).then_some(nodes)
    });
    nodes.await.expect("endpoints");
}

#[tokio::test]
async fn a_process_in_a_pod_is_replaced_when_the_deployment_changes() {
    let serve = |container: &Container| {
        let mut python = Command::new("python3");
        python.args(["-m", "http.server", "8080", "--bind", &container.ip.to_string()]);
        python
    };
    let probe = json!({"readinessProbe": {"httpGet": {"path": "/", "port": 8080}}});
    let web = Web::apply("Deployment", "python:1", probe, Runs::process(serve)).await;
    let first = web.endpoint(true, false).await;
    let restart = ["rollout", "restart", "deployment/web", "-n", &web.namespace];
    web.cluster.kubectl_ok(&restart, "").await.expect("a restart");
    eventually("another pod is the only one", DEADLINE, async || {
        let endpoints = web.endpoints().await;
        let others = endpoints.iter().all(|endpoint| endpoint.addresses != [first.clone()]);
        (others && endpoints.len() == 1).then_some(())
    })
    .await
    .expect("a rollout");
    web.delete("deployment").await;
    web.gone().await;
}

#[tokio::test]
async fn a_pod_that_terminates_serves_on_for_its_pre_stop_time() {
    let drain = json!({"lifecycle": {"preStop": {"sleep": {"seconds": 2}}}});
    let web = Web::apply("Deployment", "word:2", drain, Runs::server(says_its_word)).await;
    let address = web.endpoint(true, false).await;
    web.delete("deployment").await;
    assert_eq!(web.endpoint(false, true).await, address);
    assert_eq!(said_by(&address).await, "nothing");
    web.gone().await;
}

#[tokio::test]
async fn a_pod_that_is_held_is_not_ready() {
    let web = Web::apply("Deployment", "nothing:2", json!({}), Runs::Nothing).await;
    web.endpoint(true, false).await;
    let name = web.pods().await[0].metadata.name.clone().expect("a name");
    let pods = Api::<Pod>::namespaced(web.client.clone(), &web.namespace);
    for (held, ready) in [(json!("false"), false), (Value::Null, true)] {
        let patch = json!({"metadata": {"annotations": {READY_ANNOTATION: held}}});
        pods.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("annotated");
        web.endpoint(ready, false).await;
    }
}

#[tokio::test]
async fn a_pod_that_crashes_or_never_gets_ready_has_no_ready_endpoint() {
    let web = Web::apply("Deployment", "crash:1", json!({}), Runs::Crashing).await;
    web.waiting("CrashLoopBackOff").await;
    web.endpoint(false, false).await;
    let web = Web::apply("Deployment", "late:1", json!({}), Runs::NeverReady).await;
    web.endpoint(false, false).await;
}

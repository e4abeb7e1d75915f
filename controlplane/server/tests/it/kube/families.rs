//! IPv4 and IPv6: gateways and backends with addresses of either, in a cluster whose Services may have both.

use serde_json::{Value, json};
use tidegate_bench_cluster::{Cluster, Options};

use super::stage::{Plane, Stage};
use crate::support::{FakeNode, Held};

const OBJECTS: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {name: one}
spec: {groupRef: {name: tools}, image: 'example/tools:1', transport: streamable-http}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: demo}
spec: {groupRef: {name: tools}, incomingAuth: {type: anonymous}}
";

async fn dual_stack() -> Cluster {
    Cluster::start_with(Options { dual_stack: true, ..Options::default() }).await.expect("a cluster")
}

/// A pod of the gateways on a node of its own, ready at these addresses; nobody runs it.
async fn gateway(stage: &Stage<'_>, name: &str, addresses: &[&str]) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/name": "tidegate-dataplane" } },
        "spec": { "nodeName": format!("node-of-{name}"), "containers": [{ "name": "dataplane", "image": "gateway" }] },
    });
    add_node(stage, &format!("node-of-{name}")).await;
    let apply = ["-n", &stage.system, "apply", "-f", "-"];
    stage.cluster.kubectl_ok(&apply, &pod.to_string()).await.expect("a pod");
    ready(stage, &stage.system, name, addresses).await;
}

async fn add_node(stage: &Stage<'_>, name: &str) {
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
    stage.cluster.kubectl_ok(&["apply", "-f", "-"], &node.to_string()).await.expect("a node");
}

/// Says of a pod of the namespace where it runs, as the scheduler would.
async fn bind(stage: &Stage<'_>, pod: &str, node: &str) {
    let target = json!({ "apiVersion": "v1", "kind": "Node", "name": node });
    let binding =
        json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod }, "target": target });
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/binding", stage.namespace);
    stage.kubectl(&["create", "--raw", &path, "-f", "-"], &binding.to_string()).await;
}

/// Says of a pod what its kubelet would.
async fn ready(stage: &Stage<'_>, namespace: &str, pod: &str, addresses: &[&str]) {
    let all: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
    let condition = json!({ "type": "Ready", "status": "True" });
    let status =
        json!({ "phase": "Running", "podIP": addresses[0], "podIPs": all, "conditions": [condition] });
    let patch = json!({ "status": status }).to_string();
    let arguments =
        ["-n", namespace, "patch", "pod", pod, "--subresource=status", "--type=merge", "-p", &patch];
    stage.cluster.kubectl_ok(&arguments, "").await.expect("a status");
}

/// Waits until the slice has this type and these addresses.
async fn until_slice(stage: &Stage<'_>, plane: &Plane, name: &str, family: &str, addresses: &[&str]) {
    let has = |slice: &Value| {
        let endpoints = slice["endpoints"].as_array().into_iter().flatten();
        let found: Vec<&str> = endpoints.filter_map(|endpoint| endpoint["addresses"][0].as_str()).collect();
        slice["addressType"] == family && found == addresses
    };
    stage.until(plane, &format!("endpointslice/{name}"), &format!("{family} {addresses:?}"), has).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_endpoints_at_their_first_address_in_slices_of_its_family() {
    let cluster = dual_stack().await;
    let stage = Stage::on(&cluster, "families").await;
    let plane = stage.plane();
    gateway(&stage, "a", &["fd00:1::5"]).await;
    stage.apply(OBJECTS).await;
    until_slice(&stage, &plane, "vmcp-demo-ipv6-0", "IPv6", &["fd00:1::5"]).await;
    assert!(stage.find("endpointslice/vmcp-demo-ipv4-0").await.is_none());
    let mut held = FakeNode::join_at(&plane.socket(), "n", Held::default()).await;
    let listens = |held: &Held| {
        let mut servers = held.table.virtual_servers();
        servers.any(|server| server.listen.iter().any(|listen| listen.is_ipv6()))
    };
    held.until("a port of both families", listens).await;

    // A pod that has both is called at the first, as its gateway listens there; slices come and go with who is in them.
    gateway(&stage, "b", &["10.1.0.4"]).await;
    gateway(&stage, "c", &["10.1.0.6", "fd00:1::6"]).await;
    until_slice(&stage, &plane, "vmcp-demo-ipv4-0", "IPv4", &["10.1.0.4", "10.1.0.6"]).await;
    until_slice(&stage, &plane, "vmcp-demo-ipv6-0", "IPv6", &["fd00:1::5"]).await;
    let delete = ["-n", &stage.system, "delete", "pod", "a", "--grace-period=0", "--force"];
    cluster.kubectl_ok(&delete, "").await.expect("deleted");
    let gone = async || stage.find("endpointslice/vmcp-demo-ipv6-0").await.is_none().then_some(());
    tidegate_bench_cluster::eventually("no slice without endpoints", crate::support::DEADLINE, gone)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_families_of_a_service_are_the_clusters_choice_and_stay_as_somebody_sets_them() {
    let cluster = dual_stack().await;
    let stage = Stage::on(&cluster, "policy").await;
    let plane = stage.plane();
    stage.apply(OBJECTS).await;
    let made = stage.until(&plane, "service/vmcp-demo", "the Service", |_| true).await;
    assert_eq!(made["spec"]["ipFamilies"], json!(["IPv4"]), "the first of the cluster");
    stage.patch("service/vmcp-demo", r#"{"spec":{"ipFamilyPolicy":"PreferDualStack"}}"#).await;
    stage.patch("vmcp/demo", r#"{"spec":{"serviceType":"NodePort"}}"#).await;
    let changed =
        stage.until(&plane, "service/vmcp-demo", "the edit", |s| s["spec"]["type"] == "NodePort").await;
    assert_eq!(changed["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert_eq!(changed["spec"]["clusterIP"], made["spec"]["clusterIP"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_are_called_at_addresses_of_the_family_that_their_service_has() {
    let cluster = dual_stack().await;
    let stage = Stage::on(&cluster, "backends").await;
    let plane = stage.plane();
    stage.apply(OBJECTS).await;
    stage.until(&plane, "pod/one-0", "its pod", |_| true).await;
    add_node(&stage, "node").await;
    bind(&stage, "one-0", "node").await;
    ready(&stage, &stage.namespace, "one-0", &["10.1.0.21", "fd00:1::21"]).await;
    let mut held = FakeNode::join_at(&plane.socket(), "n", Held::default()).await;
    let called = |held: &Held| -> Vec<String> {
        let endpoints = held.table.backends().flat_map(|backend| &backend.endpoints);
        endpoints.map(|endpoint| format!("{} {}", endpoint.host, endpoint.port)).collect()
    };
    held.until("its first address, once", |held| called(held) == ["10.1.0.21 8080"]).await;

    let policy = json!({ "spec": { "ipFamilyPolicy": "RequireDualStack" } }).to_string();
    stage.patch("service/mcp-one", &policy).await;
    stage.kubectl(&["delete", "pod", "one-0", "--grace-period=0", "--force"], "").await;
    stage.until(&plane, "pod/one-0", "another pod", |pod| pod["status"]["podIP"].is_null()).await;
    bind(&stage, "one-0", "node").await;
    ready(&stage, &stage.namespace, "one-0", &["fd00:1::22"]).await;
    held.until("IPv6 alone", |held| called(held) == ["fd00:1::22 8080"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_of_one_family_a_service_that_prefers_both_has_one() {
    let stage = Stage::new("single").await;
    let plane = stage.plane();
    stage.apply(OBJECTS).await;
    stage.until(&plane, "service/vmcp-demo", "the Service", |_| true).await;
    stage.patch("service/vmcp-demo", r#"{"spec":{"ipFamilyPolicy":"PreferDualStack"}}"#).await;
    stage.patch("vmcp/demo", r#"{"spec":{"serviceType":"NodePort"}}"#).await;
    let changed =
        stage.until(&plane, "service/vmcp-demo", "the edit", |s| s["spec"]["type"] == "NodePort").await;
    assert_eq!(changed["spec"]["ipFamilyPolicy"], "PreferDualStack");
    assert_eq!(changed["spec"]["ipFamilies"], json!(["IPv4"]));
}

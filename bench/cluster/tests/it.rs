//! The test cluster itself.

use tidegate_bench_cluster::shared;

#[tokio::test]
async fn a_namespace_is_ready_for_pods() {
    let cluster = shared().await.expect("a cluster");
    let namespace = cluster.namespace("orders").await.expect("a namespace");
    let said = cluster.kubectl_ok(&["get", "serviceaccounts", "-n", &namespace, "-o", "name"], "").await;
    assert_eq!(said.expect("kubectl"), "serviceaccount/default\n");
}

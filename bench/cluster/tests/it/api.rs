//! Users, rights, custom resources, garbage collection, the audit log.

use crate::DEADLINE;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, PostParams};
use std::io::Write as _;
use tidegate_bench_cluster::{TokenFor, eventually, shared};

const CRD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.test.example}
spec:
  group: test.example
  names: {kind: Boat, plural: boats}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {
      sails: {type: integer, minimum: 1}}}}}}
";

#[tokio::test]
async fn a_namespace_is_ready_for_pods_and_goes_with_all_that_is_in_it() {
    let cluster = shared().await.expect("a cluster");
    let namespace = cluster.namespace("orders").await.expect("a namespace");
    let said = cluster.kubectl_ok(&["get", "serviceaccounts", "-n", &namespace, "-o", "name"], "").await;
    assert_eq!(said.expect("kubectl"), "serviceaccount/default\n");
    cluster.kubectl_ok(&["delete", "namespace", &namespace, "--wait=false"], "").await.expect("a deletion");
    eventually("the namespace is gone", DEADLINE, async || {
        let output = cluster.kubectl(&["get", "namespace", &namespace], "").await.expect("kubectl runs");
        String::from_utf8_lossy(&output.stderr).contains("NotFound").then_some(())
    })
    .await
    .expect("namespace deletion");
}

#[tokio::test]
async fn custom_resources_are_checked_and_what_they_own_is_collected() {
    let cluster = shared().await.expect("a cluster");
    let namespace = cluster.namespace("boats").await.expect("a namespace");
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    file.write_all(CRD.as_bytes()).expect("written");
    cluster.install_crds(file.path()).await.expect("a CRD");
    let boat = |sails: u8| {
        format!(
            "{{apiVersion: test.example/v1, kind: Boat, metadata: {{name: ida}}, spec: {{sails: {sails}}}}}"
        )
    };
    let apply = ["apply", "-n", &namespace, "-f", "-"];
    let refused = cluster.kubectl_ok(&apply, &boat(0)).await.expect_err("no sails").to_string();
    assert!(refused.contains("should be greater than or equal to 1"), "{refused}");
    cluster.kubectl_ok(&apply, &boat(2)).await.expect("a boat");

    let uid = ["get", "boat", "ida", "-n", &namespace, "-o", "jsonpath={.metadata.uid}"];
    let uid = cluster.kubectl_ok(&uid, "").await.expect("its uid");
    let owned = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: chart, ownerReferences: [
            {{apiVersion: test.example/v1, kind: Boat, name: ida, uid: {uid}}}]}}}}"
    );
    cluster.kubectl_ok(&apply, &owned).await.expect("an owned object");
    cluster.kubectl_ok(&["delete", "boat", "ida", "-n", &namespace], "").await.expect("a deletion");
    let charts = Api::<ConfigMap>::namespaced(cluster.client().expect("a client"), &namespace);
    eventually("the chart is collected", DEADLINE, async || {
        charts.get_opt("chart").await.expect("an answer").is_none().then_some(())
    })
    .await
    .expect("garbage collection");
}

#[tokio::test]
async fn a_service_account_may_do_nothing_and_is_seen_in_the_audit_log() {
    let cluster = shared().await.expect("a cluster");
    let namespace = cluster.namespace("rights").await.expect("a namespace");
    let kubeconfig = cluster.as_service_account(&namespace, "default").await.expect("a kubeconfig");
    let client = cluster.client_of(&kubeconfig).await.expect("a client");
    let refused = Api::<Pod>::namespaced(client, &namespace).list(&Default::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));

    let user = format!("system:serviceaccount:{namespace}:default");
    let line = eventually("the audit log has it", DEADLINE, async || {
        let lines = cluster.audit().await.expect("the audit log");
        lines.into_iter().find(|line| line.user == user && line.resource == "pods")
    });
    let line = line.await.expect("a line");
    assert_eq!((line.verb.as_str(), line.namespace.as_str(), line.code), ("list", namespace.as_str(), 403));
    assert!(!line.allowed);
}

#[tokio::test]
async fn a_pods_token_names_its_pod_and_its_node() {
    let cluster = shared().await.expect("a cluster");
    let namespace = cluster.namespace("tokens").await.expect("a namespace");
    let kubelet = cluster.kubelet().await.expect("a kubelet");
    kubelet.add_node("node-of-tokens").await.expect("a node");
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "who"}, "spec": {
        "nodeName": "node-of-tokens", "containers": [{"name": "c", "image": "nothing"}]}}"#;
    cluster.kubectl_ok(&["apply", "-n", &namespace, "-f", "-"], pod).await.expect("a pod");
    let client = cluster.client().expect("a client");
    let pod = Api::<Pod>::namespaced(client.clone(), &namespace).get("who").await.expect("the pod");

    let bound = ("who".to_owned(), pod.metadata.uid.expect("a uid"));
    let wanted = TokenFor { audiences: vec!["boats".to_owned()], pod: Some(bound) };
    let token = cluster.token(&namespace, "default", wanted).await.expect("a token");
    let spec = TokenReviewSpec { token, audiences: Some(vec!["boats".to_owned()]) };
    let review = TokenReview { spec, ..TokenReview::default() };
    let review = Api::<TokenReview>::all(client).create(&PostParams::default(), &review).await;
    let status = review.expect("a review").status.expect("its status");
    assert_eq!(status.authenticated, Some(true), "{status:?}");
    let extra = status.user.and_then(|user| user.extra).expect("extra fields");
    let node = extra.get("authentication.kubernetes.io/node-name");
    assert_eq!(node.map(Vec::as_slice), Some(&["node-of-tokens".to_owned()][..]));
}

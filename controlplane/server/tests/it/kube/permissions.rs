//! What is in deploy/kustomize: accepted by an API server, and exactly what the control plane needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate_bench_cluster::{AuditLine, Cluster, eventually};

use super::stage::{Stage, crds};
use crate::support::DEADLINE;

const SYSTEM: &str = "tidegate-system";
const ACCOUNT: &str = "tidegate-controlplane";

/// Rules that this test does not make the control plane use, and why they are there.
const UNUSED: [&str; 11] = [
    // an apply of what is not there: the API server asks for both, the audit log says patch
    "create  services",
    "create discovery.k8s.io endpointslices",
    "create apps statefulsets",
    // more than a hundred gateways that become fewer
    "delete discovery.k8s.io endpointslices",
    // rotation of keys and authorities, which has tests of its own
    "update  secrets",
    // asked for by an admission plugin, not by us
    "update toolhive.stacklok.dev mcpservers/finalizers",
    "update toolhive.stacklok.dev mcpremoteproxies/finalizers",
    "update toolhive.stacklok.dev virtualmcpservers/finalizers",
    "create discovery.k8s.io endpointslices/restricted",
    // an event that happens again
    "patch events.k8s.io events",
    // gateways that prove who they are: push.rs has that test
    "create authentication.k8s.io tokenreviews",
];

fn kustomize() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kustomize")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kustomize_base_is_accepted_and_its_roles_are_what_the_control_plane_needs() {
    let cluster = Cluster::start().await.expect("a cluster");
    cluster.install_crds(&crds()).await.expect("our CRDs are accepted");
    let base = kustomize();
    let base = base.to_str().expect("UTF-8");
    let applied = cluster.kubectl_ok(&["apply", "--server-side", "-k", base], "").await.expect("accepted");
    for object in ["daemonset.apps/tidegate-dataplane", "deployment.apps/tidegate-controlplane"] {
        assert!(applied.contains(object), "{applied}");
    }
    let again = cluster.kubectl_ok(&["apply", "--server-side", "-k", base], "").await;
    again.expect("accepted again");

    // Its gateways run nothing here, but they are pods with addresses.
    cluster.kubelet().await.expect("nodes");
    let namespace = cluster.namespace("permitted").await.expect("a namespace");
    let stage = Stage { cluster: &cluster, namespace, system: SYSTEM.to_owned() };
    let kubeconfig = cluster.as_service_account(SYSTEM, ACCOUNT).await.expect("a token");
    let mut plane = stage.plane_as(&kubeconfig, &[]);
    use_everything(&stage, &plane).await;
    assert!(plane.terminate().await.success());

    let user = format!("system:serviceaccount:{SYSTEM}:{ACCOUNT}");
    let audit = cluster.audit().await.expect("an audit log");
    let ours: Vec<&AuditLine> = audit.iter().filter(|line| line.user == user).collect();
    let refused: BTreeSet<String> = ours.iter().filter(|line| !line.allowed).map(|line| said(line)).collect();
    assert_eq!(refused, BTreeSet::new(), "everything that the code asks for is granted");
    let used: BTreeSet<String> = ours.iter().map(|line| said(line)).collect();
    let granted = granted(&cluster).await;
    let unused: Vec<&String> =
        granted.iter().filter(|rule| !used.contains(*rule) && !UNUSED.contains(&rule.as_str())).collect();
    assert_eq!(
        unused,
        Vec::<&String>::new(),
        "nothing is granted that the code does not ask for\nlog:\n{}",
        plane.log()
    );
}

/// Every kind of write that there is.
async fn use_everything(stage: &Stage<'_>, plane: &super::stage::Plane) {
    stage.apply(EVERYTHING).await;
    stage.until(plane, "service/vmcp-demo", "a Service", |_| true).await;
    stage.until(plane, "statefulset/one", "a StatefulSet", |_| true).await;
    stage.endpoints("vmcp-demo", 2).await;
    stage.until_event(plane, "not found").await;
    for object in [
        "mcpgroup/tools",
        "mcpserver/one",
        "mcpremoteproxy/two",
        "mcpserverentry/three",
        "virtualmcpserver/demo",
        "virtualmcpcompositetooldefinition/both",
        "mcpoidcconfig/issuer",
        "mcpexternalauthconfig/none",
        "mcpauthzconfig/policies",
        "mcptoolconfig/few",
        "mcptelemetryconfig/collector",
    ] {
        stage.until(plane, object, "a status", |found| found["status"]["conditions"].is_array()).await;
    }
    let held = |found: &Value| found["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    for object in HELD {
        stage.until(plane, object, "a finalizer", held).await;
    }
    // a broken manifest is recorded, a Service that is not wanted any more is deleted
    stage.patch("mcpserverentry/three", r#"{"spec":{"remoteUrl":"http://10.0.0.1/"}}"#).await;
    let record = async || {
        let found = stage.cluster.kubectl(&["-n", SYSTEM, "get", "configmap", "tidegate-held"], "").await;
        found.expect("kubectl runs").status.success().then_some(())
    };
    eventually("a record of what is held", DEADLINE, record).await.expect("a ConfigMap");
    stage.patch("mcpserverentry/three", r#"{"spec":{"remoteUrl":"https://mcp.example.com"}}"#).await;
    let elsewhere =
        r#"{"metadata":{"annotations":{"tidegate.dev/endpoint":"http://elsewhere.example.com:80/mcp"}}}"#;
    stage.patch("mcpserver/one", elsewhere).await;
    let gone = async || stage.find("statefulset/one").await.is_none().then_some(());
    eventually("no StatefulSet", DEADLINE, gone).await.expect("it is deleted");
    stage.kubectl(&["delete", "mcpgroup", "tools", "--wait=false"], "").await;
    let released = async || stage.find("mcpgroup/tools").await.is_none().then_some(());
    eventually("the group is released", DEADLINE, released).await.expect("it goes");
}

/// Objects whose deletion waits.
const HELD: [&str; 6] = [
    "mcpgroup/tools",
    "mcpoidcconfig/issuer",
    "mcpexternalauthconfig/none",
    "mcpauthzconfig/policies",
    "mcptoolconfig/few",
    "mcptelemetryconfig/collector",
];

/// As in `list toolhive.stacklok.dev mcpgroups`.
fn said(line: &AuditLine) -> String {
    let sub = if line.subresource.is_empty() { String::new() } else { format!("/{}", line.subresource) };
    format!("{} {} {}{sub}", line.verb, line.group, line.resource)
}

/// What the roles grant, likewise.
async fn granted(cluster: &Cluster) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for role in [
        vec!["get", "clusterrole", ACCOUNT, "-o", "json"],
        vec!["-n", SYSTEM, "get", "role", ACCOUNT, "-o", "json"],
    ] {
        let role = cluster.kubectl_ok(&role, "").await.expect("a role");
        let role: Value = serde_json::from_str(&role).expect("JSON");
        let texts = |rule: &Value, field: &str| -> Vec<String> {
            rule[field]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|v| Some(v.as_str()?.to_owned()))
                .collect()
        };
        for rule in role["rules"].as_array().into_iter().flatten() {
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    all.extend(texts(rule, "verbs").iter().map(|verb| format!("{verb} {group} {resource}")));
                }
            }
        }
    }
    all
}

const EVERYTHING: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {name: one, finalizers: [mcpserver.toolhive.stacklok.dev/finalizer]}
spec: {groupRef: {name: tools}, image: 'example/tools:1', transport: streamable-http}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPRemoteProxy
metadata: {name: two}
spec:
  groupRef: {name: tools}
  remoteUrl: 'https://mcp.example.com'
  oidcConfigRef: {name: issuer, audience: two}
  externalAuthConfigRef: {name: none}
  authzConfigRef: {name: policies}
  toolConfigRef: {name: few}
  telemetryConfigRef: {name: collector}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {name: three}
spec: {groupRef: {name: tools}, remoteUrl: 'https://mcp.example.com', transport: streamable-http}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: demo}
spec: {groupRef: {name: tools}, incomingAuth: {type: anonymous}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: lost}
spec: {groupRef: {name: nowhere}, incomingAuth: {type: anonymous}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPCompositeToolDefinition
metadata: {name: both}
spec: {name: both, description: both, steps: [{id: a, tool: one_echo}]}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPOIDCConfig
metadata: {name: issuer}
spec: {type: inline, inline: {issuer: 'https://auth.example.com'}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {name: none}
spec: {type: unauthenticated}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPAuthzConfig
metadata: {name: policies}
spec: {type: cedarv1, config: {policies: ['permit(principal, action, resource);']}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPToolConfig
metadata: {name: few}
spec: {toolsFilter: [a]}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPTelemetryConfig
metadata: {name: collector}
spec: {prometheus: {enabled: true}}
";

//! The configuration guide from an empty API server on: its manifests word for word, two gateways, a client.

use std::path::Path;

use serde_json::{Value, json};
use tidegate_bench_cluster::{Cluster, eventually};

use super::client::{call, initialize, tools};
use super::stage::{Stage, condition, crds};
use crate::support::DEADLINE;

const NAMESPACE: &str = "toolhive-system";
const IMAGE_OF_THE_GUIDE: &str = "example/my-mcp-server:latest";

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_manifests_are_served_by_two_gateways_to_one_session() {
    let cluster = Cluster::start().await.expect("a cluster");
    cluster.install_crds(&crds()).await.expect("our CRDs are accepted");
    for namespace in [NAMESPACE, "tidegate-system"] {
        cluster.kubectl_ok(&["create", "namespace", namespace], "").await.expect("a namespace");
    }
    let stage =
        Stage { cluster: &cluster, namespace: NAMESPACE.to_owned(), system: "tidegate-system".to_owned() };
    let plane = stage.plane();
    stage.start_gateways(&plane).await;
    stage.serve_image(IMAGE_OF_THE_GUIDE, &["--name=my-server"]).await;

    let phases = phases_of(&stage).await;
    for name in ["group", "mcpserver", "mcpserverentry", "mcpremoteproxy"] {
        apply_example(&stage, name).await;
    }
    stage.until_phase(&plane, "mcpserver/my-server", "Ready").await;
    stage.until_phase(&plane, "mcpserverentry/my-entry", "Valid").await;
    apply_example(&stage, "virtualmcpserver").await;
    let ready = stage
        .until(&plane, "vmcp/my-vmcp", "a ready backend", |found| {
            let backends = found.pointer("/status/discoveredBackends").and_then(Value::as_array);
            let named = |b: &&Value| b["name"] == "my-server" && b["status"] == "ready";
            found.pointer("/status/phase") == Some(&"Ready".into())
                && backends.is_some_and(|all| all.iter().any(|b| named(&b)))
        })
        .await;
    assert_eq!(ready["status"]["url"], "http://vmcp-my-vmcp.toolhive-system.svc.cluster.local:4483");
    assert_eq!(condition(&ready, "Ready").split('/').next(), Some("True"));
    let seen = phases.ended().await;
    assert_eq!(seen.last().map(String::as_str), Some("Ready"), "{seen:?}");
    assert!(seen.iter().all(|phase| phase == "Pending" || phase == "Ready"), "never failed: {seen:?}");

    let columns = stage.kubectl(&["get", "vmcp"], "").await;
    let header: Vec<&str> = columns.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(header, ["NAME", "PHASE", "URL", "BACKENDS", "AGE", "READY"]);

    let gateways = stage.endpoints("vmcp-my-vmcp", 2).await;
    let [a, b] = gateways.as_slice() else { panic!("two gateways: {gateways:?}") };
    assert_ne!(a.ip(), b.ip());
    let session = initialize(*a).await.expect("a session");
    let names = eventually("tools", DEADLINE, async || {
        tools(*a, &session).await.ok().filter(|names| !names.is_empty())
    });
    let names = names.await.expect("tools of the backend");
    assert!(names.contains(&"my-server_echo".to_owned()), "{names:?}");
    for gateway in [a, b, a, b] {
        let result = call(*gateway, &session, "my-server_echo", json!({ "text": "hello" })).await;
        let result = result.unwrap_or_else(|error| panic!("{gateway}: {error}\n{}", plane.log()));
        assert!(result.to_string().contains("hello"), "{result}");
    }
}

/// Applies one of the guide's manifests as it is shipped.
async fn apply_example(stage: &Stage<'_>, name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../deploy/examples/guide/{name}.yaml"));
    let applied = stage.kubectl(&["apply", "-f", file.to_str().expect("UTF-8")], "").await;
    assert!(applied.contains("created"), "{applied}");
}

/// Follows the phases of the virtual server.
struct Phases(tokio::task::JoinHandle<Vec<String>>, tokio::sync::oneshot::Sender<()>);

async fn phases_of(stage: &Stage<'_>) -> Phases {
    use futures_util::TryStreamExt as _;
    use kube::api::{Api, DynamicObject, WatchEvent, WatchParams};
    use tidegate_controlplane_api::Kind;
    let resource = tidegate_controlplane_server::source::kubernetes::resource(Kind::VirtualMcpServer);
    let client = stage.cluster.client().expect("a client");
    let api: Api<DynamicObject> = Api::namespaced_with(client, &stage.namespace, &resource);
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let follow = async move {
        let mut seen: Vec<String> = Vec::new();
        let stream = api.watch(&WatchParams::default(), "0").await.expect("a watch");
        futures_util::pin_mut!(stream);
        loop {
            tokio::select! {
                event = stream.try_next() => {
                    let Ok(Some(WatchEvent::Added(o) | WatchEvent::Modified(o))) = event else { continue };
                    let phase = o.data.pointer("/status/phase").and_then(Value::as_str);
                    if let Some(phase) = phase.filter(|phase| seen.last().is_none_or(|last| last != phase)) {
                        seen.push(phase.to_owned());
                    }
                }
                _ = &mut stopped => return seen,
            }
        }
    };
    Phases(tokio::spawn(follow), stop)
}

impl Phases {
    /// Each one that was seen, in order.
    async fn ended(self) -> Vec<String> {
        let _ended = self.1.send(());
        self.0.await.expect("the watch")
    }
}

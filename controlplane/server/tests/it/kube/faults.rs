//! What goes wrong around a control plane: nothing that is served changes without cause. Each test has a cluster of its own.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_bench_cluster::{Cluster, Options, eventually};

use super::client::{call, initialize, tools};
use super::stage::{Plane, Stage, condition, crds};
use crate::support::DEADLINE;

const IMAGE: &str = "example/tools:1";
/// As the issue wants it.
const MINUTE: Duration = Duration::from_secs(60);

fn served() -> String {
    format!("{GROUP}---{SERVER}---{VIRTUAL_SERVER}")
}

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";
const SERVER: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {name: one}
spec: {groupRef: {name: tools}, image: 'example/tools:1', transport: streamable-http}
";
const VIRTUAL_SERVER: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: demo}
spec: {groupRef: {name: tools}, incomingAuth: {type: anonymous}}
";

fn entries(count: usize) -> String {
    let entry = |n: usize| {
        format!(
            "---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {{name: e{n}}}
spec: {{groupRef: {{name: tools}}, remoteUrl: 'https://e{n}.example.com/mcp', transport: streamable-http}}
"
        )
    };
    (0..count).map(entry).collect()
}

/// Tables published so far.
fn published(plane: &Plane) -> usize {
    plane.log().matches("table published").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_is_away_for_a_minute_calls_go_on_and_a_gateway_that_restarts_serves() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "away").await;
    let plane = stage.plane();
    stage.start_gateways(&plane).await;
    stage.serve_image(IMAGE, &["--name=one"]).await;
    stage.apply(&served()).await;
    stage.until_phase(&plane, "vmcp/demo", "Ready").await;
    let gateways = stage.endpoints("vmcp-demo", 2).await;
    let session = initialize(gateways[0]).await.expect("a session");
    let has_tools = async || tools(gateways[1], &session).await.ok().filter(|names| names.len() > 1);
    eventually("tools", DEADLINE, has_tools).await.expect("tools at both gateways");
    let before = published(&plane);

    cluster.stop_apiserver().await.expect("it runs");
    let down = tokio::time::Instant::now();
    stage.kill_gateway(&plane, "node-b");
    let mut calls = 0;
    while down.elapsed() < MINUTE {
        let echoed = call(gateways[0], &session, "one_echo", json!({ "text": "still here" })).await;
        echoed.unwrap_or_else(|error| panic!("after {:?}: {error}", down.elapsed()));
        calls += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let restarted = async || call(gateways[1], &session, "one_echo", json!({ "text": "back" })).await.ok();
    eventually("the restarted gateway serves", DEADLINE, restarted).await.expect("from its own state");
    assert!(calls > 100, "{calls}");
    assert_eq!(published(&plane), before, "nothing is known to have changed");

    cluster.start_apiserver().await.expect("it starts again");
    stage.apply(&entries(1)).await;
    stage.until_phase(&plane, "mcpserverentry/e0", "Valid").await;
    call(gateways[0], &session, "one_echo", json!({ "text": "after" })).await.expect("the same session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_costs_a_new_listing_and_nothing_that_is_served() {
    let cluster =
        Cluster::start_with(Options { watch_cache: false, ..Options::default() }).await.expect("a cluster");
    let stage = Stage::on(&cluster, "compacted").await;
    let plane = stage.plane();
    stage.apply(&format!("{GROUP}{}", entries(20))).await;
    stage.until_phase(&plane, "mcpserverentry/e19", "Valid").await;
    let before = published(&plane);

    cluster.stop_apiserver().await.expect("it runs");
    cluster.compact().await.expect("etcd compacts");
    cluster.start_apiserver().await.expect("it starts again");
    stage.kubectl(&["delete", "mcpserverentry", "e3"], "").await;
    plane.until_log("removed=1").await;
    assert_eq!(published(&plane), before + 1, "the removal alone\n{}", plane.log());
    assert!(plane.log().contains("watch works again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_while_it_writes_is_replaced_and_everything_is_written() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "killed").await;
    let mut first = stage.plane_with(&["--identity=first"]);
    first.until_log("leads=true").await;
    let second = stage.plane_with(&["--identity=second"]);
    stage.apply(GROUP).await;
    let kill = async {
        let some = async || stage.count("mcpserverentry", "Valid").await.gt(&0).then_some(());
        eventually("the first statuses", DEADLINE, some).await.expect("the leader writes");
        first.kill();
    };
    // while objects come, so that there is always something left to write
    let objects = entries(150);
    tokio::join!(stage.apply(&objects), kill);
    second.until_log("leads=true").await;
    let all = async || stage.count("mcpserverentry", "Valid").await.eq(&150).then_some(());
    let done = eventually("every status", DEADLINE, all).await;
    done.unwrap_or_else(|error| panic!("{error}\n{}", second.log()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_too_long_finds_another_and_neither_fights() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "paused").await;
    let first = stage.plane_with(&["--identity=first"]);
    first.until_log("leads=true").await;
    let mut second = stage.plane_with(&["--identity=second"]);
    stage.apply(&format!("{GROUP}---{VIRTUAL_SERVER}")).await;
    stage.until(&first, "service/vmcp-demo", "the Service", |_| true).await;
    first.signal(nix::sys::signal::Signal::SIGSTOP);
    second.until_log("leads=true").await;
    first.signal(nix::sys::signal::Signal::SIGCONT);
    first.until_log("leads=false").await;
    stage.until(&second, "vmcp/demo", "a status", |found| !condition(found, "Ready").is_empty()).await;
    // Both have had time for several rounds.
    stage.apply(&entries(1)).await;
    stage.until_phase(&second, "mcpserverentry/e0", "Valid").await;
    stage.apply(&entries(2)).await;
    stage.until_phase(&second, "mcpserverentry/e1", "Valid").await;
    let written = [&first, &second].map(|plane| plane.log().matches("child object written").count());
    assert!(written.iter().sum::<usize>() <= 4, "children are written once, not in turns: {written:?}");

    // A clean end hands over at once: the Lease is given back.
    assert!(second.terminate().await.success());
    assert!(second.log().contains("the Lease is given back"));
    let again = async || (first.log().matches("leads=true").count() == 2).then_some(());
    eventually("the first leads again", Duration::from_secs(12), again)
        .await
        .expect("before the Lease runs out");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_on_one_kind_nothing_is_published_and_with_it_everything_is() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "forbidden").await;
    stage.apply(&format!("{GROUP}{}", entries(2))).await;
    let but = |resource: &str| {
        let rules = json!([
            { "apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "create", "update", "patch", "delete"] },
            { "apiGroups": ["", "apps", "discovery.k8s.io", "coordination.k8s.io"], "resources": ["*"], "verbs": ["list", "watch"] },
            { "apiGroups": ["toolhive.stacklok.dev"], "resources": kinds_but(resource), "verbs": ["list", "watch"] },
        ]);
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "most" }, "rules": rules })
    };
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "most" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "most" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "limited" }],
    });
    stage.apply(&format!("{}\n---\n{binding}", but("mcptoolconfigs"))).await;
    let kubeconfig = cluster.as_user("limited", "people").expect("a kubeconfig");
    let plane = stage.plane_as(&kubeconfig, &[]);
    plane.until_log("may not list and watch mcptoolconfigs.toolhive.stacklok.dev").await;
    assert_eq!(published(&plane), 0, "what is not known is not gone");
    assert_eq!(stage.count("mcpserverentry", "Valid").await, 0);

    stage.apply(&but("none").to_string()).await;
    stage.until_phase(&plane, "mcpserverentry/e1", "Valid").await;
    assert_eq!(plane.log().matches("removed=0").count(), published(&plane), "nothing was taken away");
}

fn kinds_but(resource: &str) -> Vec<String> {
    let kinds = tidegate_controlplane_api::Kind::SERVED.into_iter().map(|kind| kind.plural());
    kinds.filter(|plural| plural != resource).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_objects_in_a_burst_are_compiled_in_few_steps() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "burst").await;
    let plane = stage.plane();
    stage.apply(GROUP).await;
    plane.until_log("leads=true").await;
    stage.apply(&entries(1_000)).await;
    let all = async || stage.count("mcpserverentry", "Valid").await.eq(&1_000).then_some(());
    let done = eventually("every status", Duration::from_secs(180), all).await;
    done.unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
    let group = stage
        .until(&plane, "mcpgroup/tools", "all members", |g| {
            g.pointer("/status/entryCount") == Some(&1_000.into())
        })
        .await;
    assert_eq!(group["status"]["phase"], "Ready");
    let audit = cluster.audit().await.expect("an audit log");
    let writes =
        audit.iter().filter(|line| line.subresource == "status" && line.resource == "mcpserverentries");
    assert!(writes.count() <= 1_100, "one status each, and few again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_goes_whole_and_its_virtual_servers_with_it() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "deleted").await;
    let plane = stage.plane();
    stage.apply(&format!("{}{}", served(), entries(5))).await;
    stage.until(&plane, "service/vmcp-demo", "the Service", |_| true).await;
    let held = |g: &Value| g["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    stage.until(&plane, "mcpgroup/tools", "a finalizer", held).await;
    cluster
        .kubectl_ok(&["delete", "namespace", &stage.namespace, "--wait=false"], "")
        .await
        .expect("accepted");
    let gone = async || {
        let found = cluster.kubectl(&["get", "namespace", &stage.namespace], "").await.expect("kubectl runs");
        (!found.status.success()).then_some(())
    };
    let gone = eventually("the namespace is gone", Duration::from_secs(120), gone).await;
    gone.unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
    plane.until_log("virtual_servers=0 backends=0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crds_without_our_additions_lose_fields_and_nothing_else() {
    let cluster = Cluster::start().await.expect("a cluster");
    let reduced = tempfile::tempdir().expect("a directory");
    for file in std::fs::read_dir(crds()).expect("our CRDs").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a CRD");
        let path = reduced.path().join(file.file_name());
        std::fs::write(path, as_the_original_has_it(&text)).expect("a copy");
    }
    cluster.install_crds(reduced.path()).await.expect("accepted");
    let namespace = cluster.namespace("original").await.expect("a namespace");
    let system = cluster.namespace("original-system").await.expect("a namespace");
    let stage = Stage { cluster: &cluster, namespace, system };
    let plane = stage.plane();
    stage.apply(&format!("{}{}", served(), entries(1))).await;
    stage.until_phase(&plane, "mcpserverentry/e0", "Valid").await;
    let shown = stage.until(&plane, "vmcp/demo", "a status", |v| !condition(v, "Ready").is_empty()).await;
    assert!(shown["status"]["discoveredBackends"][0]["consecutiveFailures"].is_null(), "{shown:#}");
    stage.until(&plane, "service/vmcp-demo", "the Service", |_| true).await;
    assert!(!plane.log().contains("cannot write"), "{}", plane.log());
}

/// Our CRDs, with a field of the spec and one of the status left out that the original's do not have.
fn as_the_original_has_it(text: &str) -> String {
    let mut definition: Value = serde_saphyr::from_str(text).expect("YAML");
    for version in definition["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"]["properties"];
        for (pointer, field) in [
            ("/spec/properties", "oidcConfig"),
            ("/status/properties/discoveredBackends/items/properties", "consecutiveFailures"),
        ] {
            if let Some(properties) = schema.pointer_mut(pointer).and_then(Value::as_object_mut) {
                properties.remove(field);
            }
        }
        // rules that speak of it
        if let Some(spec) = schema.pointer_mut("/spec").and_then(Value::as_object_mut)
            && spec
                .get("x-kubernetes-validations")
                .is_some_and(|rules| rules.to_string().contains("self.oidcConfig"))
        {
            spec.remove("x-kubernetes-validations");
        }
    }
    definition.to_string()
}

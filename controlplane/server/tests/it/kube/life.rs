//! Acceptance checks B and D of the spec (10.2, 10.4) that need pods and gateways: servers join, fail, recover and leave.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tidegate_bench_cluster::eventually;
use tidegate_bench_cluster::kubelet::Runs;

use super::client::{initialize, tools};
use super::stage::{Plane, Stage, condition};
use crate::support::DEADLINE;

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";

fn server(name: &str, image: &str) -> String {
    format!(
        "---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {{name: {name}}}
spec: {{groupRef: {{name: tools}}, image: '{image}', transport: streamable-http}}
"
    )
}

fn virtual_server(more: &str) -> String {
    format!(
        "---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {{name: demo}}
spec:
  groupRef: {{name: tools}}
  incomingAuth: {{type: anonymous}}
  config: {{operational: {{failureHandling: {{healthCheckInterval: 1s, healthCheckTimeout: 500ms, statusReportingInterval: 1s}}}}}}
{more}"
    )
}

/// `name/status` of each discovered backend.
fn backends(object: &Value) -> Vec<String> {
    let all = object.pointer("/status/discoveredBackends").and_then(Value::as_array);
    let text = |backend: &Value, field: &str| backend[field].as_str().unwrap_or_default().to_owned();
    all.into_iter().flatten().map(|b| format!("{}/{}", text(b, "name"), text(b, "status"))).collect()
}

async fn stage_of(name: &str) -> (Stage<'static>, Plane) {
    let stage = Stage::new(name).await;
    let plane = stage.plane();
    stage.start_gateways(&plane).await;
    (stage, plane)
}

/// Waits until a new session lists a tool whose name begins so, or none.
async fn until_listed(plane: &Plane, gateway: SocketAddr, expected: bool, name: &str) {
    let look = async || {
        let session = initialize(gateway).await.ok()?;
        let names = tools(gateway, &session).await.ok()?;
        (names.iter().any(|tool| tool.starts_with(name)) == expected).then_some(())
    };
    let seen = eventually(name, DEADLINE, look).await;
    seen.unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
}

#[tokio::test(flavor = "multi_thread")]
async fn b10_an_edit_of_the_config_is_in_force_without_a_restart_and_costs_no_session() {
    let (stage, plane) = stage_of("b10").await;
    let image = format!("{}/one:1", stage.namespace);
    stage.serve_image(&image, &["--name=one"]).await;
    stage.apply(&[GROUP, &server("one", &image), &virtual_server("")].concat()).await;
    stage.until_phase(&plane, "vmcp/demo", "Ready").await;
    let gateway = stage.endpoints("vmcp-demo", 1).await[0];
    until_listed(&plane, gateway, true, "one_").await;
    let session = initialize(gateway).await.expect("a session before the edit");

    let format = json!({"conflictResolution": "prefix", "conflictResolutionConfig": {"prefixFormat": "new_{workload}_"}});
    let patch = json!({"spec": {"config": {"aggregation": format}}}).to_string();
    stage.kubectl(&["patch", "vmcp", "demo", "--type=merge", "-p", &patch], "").await;
    until_listed(&plane, gateway, true, "new_one_").await;
    let names = tools(gateway, &session).await.expect("the session goes on");
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("new_one_")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_server_that_joins_a_group_is_listed_and_one_that_leaves_is_not() {
    let (stage, plane) = stage_of("d7").await;
    let image = |name: &str| format!("{}/{name}:1", stage.namespace);
    stage.serve_image(&image("one"), &["--name=one"]).await;
    stage.serve_image(&image("two"), &["--name=two"]).await;
    stage.apply(&[GROUP, &server("one", &image("one")), &virtual_server("")].concat()).await;
    stage.until_phase(&plane, "vmcp/demo", "Ready").await;
    let gateway = stage.endpoints("vmcp-demo", 1).await[0];
    let listed = async |expected: bool, name: &str| until_listed(&plane, gateway, expected, name).await;
    listed(true, "one_").await;
    listed(false, "two_").await;

    stage.apply(&server("two", &image("two"))).await;
    stage.until_phase(&plane, "mcpserver/two", "Ready").await;
    listed(true, "two_").await;

    stage.kubectl(&["delete", "mcpserver", "two"], "").await;
    listed(false, "two_").await;
    listed(true, "one_").await;
    let gone = async || stage.find("statefulset/two").await.is_none().then_some(());
    eventually("its pods go with it", DEADLINE, gone).await.expect("collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_and_b12_the_phase_says_what_is_up_and_stays_while_nothing_changes() {
    let (stage, plane) = stage_of("b11").await;
    let image = |name: &str| format!("{}/{name}:1", stage.namespace);
    stage.serve_image(&image("up"), &["--name=up"]).await;
    // The pod is ready, and nothing listens.
    stage.cluster.kubelet().await.expect("nodes").set(&image("down"), Runs::Nothing);
    let probed =
        "  podTemplateSpec: {spec: {containers: [{name: mcp, startupProbe: null, readinessProbe: null}]}}\n";
    let down = format!(
        "---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {{name: down}}
spec:
  groupRef: {{name: tools}}
  image: '{}'
  transport: streamable-http
{probed}",
        image("down")
    );
    let all = [GROUP, &server("up", &image("up")), &down, &virtual_server("")];
    stage.apply(&all.concat()).await;
    let degraded = stage
        .until(&plane, "vmcp/demo", "Degraded, one of two", |found| {
            found.pointer("/status/phase") == Some(&"Degraded".into())
                && backends(found) == ["down/unavailable", "up/ready"]
        })
        .await;
    assert_eq!(degraded["status"]["backendCount"], 1);
    assert_eq!(condition(&degraded, "Ready"), "False/SomeBackendsUnhealthy");

    stage.serve_image(&image("down"), &["--name=down"]).await;
    stage.kubectl(&["delete", "pod", "down-0", "--wait=false"], "").await;
    let ready = stage
        .until(&plane, "vmcp/demo", "Ready, both", |found| {
            found.pointer("/status/phase") == Some(&"Ready".into())
                && backends(found) == ["down/ready", "up/ready"]
        })
        .await;
    assert_eq!(ready["status"]["backendCount"], 2);

    // Ten reports, and no other phase.
    let turns = plane.log().matches("phase changed").count();
    let since = |object: &Value| object["status"]["discoveredBackends"][0]["lastHealthCheck"].clone();
    let mut last = since(&ready);
    for report in 0..10 {
        let next = stage.until(&plane, "vmcp/demo", "another report", |found| since(found) != last).await;
        assert_eq!(next["status"]["phase"], "Ready", "report {report}");
        last = since(&next);
    }
    assert_eq!(plane.log().matches("phase changed").count(), turns, "{}", plane.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_and_b8_replicas_are_left_to_autoscalers_and_need_no_store() {
    let (stage, plane) = stage_of("b7").await;
    let image = format!("{}/one:1", stage.namespace);
    stage.serve_image(&image, &["--name=one"]).await;
    let all = [GROUP, &server("one", &image), &virtual_server("  replicas: 2\n")];
    stage.apply(&all.concat()).await;
    stage.until_phase(&plane, "mcpserver/one", "Ready").await;
    stage.kubectl(&["scale", "statefulset", "one", "--replicas=3"], "").await;
    let three = |found: &Value| found.pointer("/status/readyReplicas") == Some(&3.into());
    stage.until(&plane, "mcpserver/one", "three pods", three).await;
    // An edit of the same object: what it does not say stays with the autoscaler.
    stage
        .kubectl(
            &[
                "annotate",
                "mcpserver",
                "one",
                "mcpserver.toolhive.stacklok.dev/restarted-at=2026-11-23T12:00:00Z",
            ],
            "",
        )
        .await;
    let restarted =
        |found: &Value| found["spec"]["template"]["metadata"].to_string().contains("2026-11-23T12:00:00Z");
    let set = stage.until(&plane, "statefulset/one", "the edit", restarted).await;
    assert_eq!(set["spec"]["replicas"], 3);

    let demo = stage.until_phase(&plane, "vmcp/demo", "Ready").await;
    // Not a warning here (decision 10): sessions are sealed tokens, and a True would make people add a Redis for nothing.
    assert_eq!(condition(&demo, "SessionStorageWarning"), "False/SessionStorageWarningNotApplicable");
}

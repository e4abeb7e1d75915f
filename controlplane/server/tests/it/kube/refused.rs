//! Child objects that the API server refuses, or whose names are taken: their owners say so while it lasts.

use serde_json::Value;

use super::stage::{Plane, Stage, condition};

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";
const VIRTUAL_SERVER: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: demo}
spec: {groupRef: {name: tools}, incomingAuth: {type: anonymous}}
";
const QUOTA: &str = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: few}
spec: {hard: {services: '0'}}
";
const FOREIGN: &str = "
apiVersion: v1
kind: Service
metadata: {name: vmcp-demo}
spec: {ports: [{port: 80}], selector: {app: mine}}
";

fn server(more: &str) -> String {
    format!(
        "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {{name: one}}
spec:
  groupRef: {{name: tools}}
  image: 'example/tools:1'
  transport: streamable-http
{more}"
    )
}

/// Waits for the condition of a refusal; the message of it, and the object.
async fn until_refused(stage: &Stage<'_>, plane: &Plane, object: &str, reason: &str) -> (String, Value) {
    let expected = format!("True/{reason}");
    let refused =
        stage.until(plane, object, reason, |found| condition(found, "ChildrenRefused") == expected).await;
    let conditions = refused["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|c| c["type"] == "ChildrenRefused");
    (found.and_then(|c| c["message"].as_str()).unwrap_or_default().to_owned(), refused)
}

async fn until_accepted(stage: &Stage<'_>, plane: &Plane, object: &str) -> Value {
    let accepted = |found: &Value| condition(found, "ChildrenRefused").is_empty();
    stage.until(plane, object, "no refusal", accepted).await
}

/// How many events of an object have this reason; one that happens again is counted as often.
async fn events(stage: &Stage<'_>, object: &str, reason: &str) -> u64 {
    let selector = format!("regarding.name={object},reason={reason}");
    let get = ["get", "events.v1.events.k8s.io", "--field-selector", &selector, "-o", "json"];
    let found: Value = serde_json::from_str(&stage.kubectl(&get, "").await).expect("JSON");
    let count = |event: &Value| event["series"]["count"].as_u64().unwrap_or(1);
    found["items"].as_array().into_iter().flatten().map(count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_a_quota_refuses_is_said_by_its_owner_until_there_is_room() {
    let stage = Stage::new("quota").await;
    stage.apply(QUOTA).await;
    let counted = |found: &Value| found["status"]["hard"]["services"] == "0";
    let mut plane = stage.plane_with(&["--identity=first"]);
    stage.until(&plane, "resourcequota/few", "the quota is in force", counted).await;
    stage.apply(&format!("{GROUP}---{VIRTUAL_SERVER}")).await;

    let (message, refused) = until_refused(&stage, &plane, "vmcp/demo", "FailedCreate").await;
    assert!(message.starts_with("cannot create Service vmcp-demo: "), "{message}");
    assert!(message.contains("exceeded quota: few"), "{message}");
    assert_eq!(condition(&refused, "Exposed"), "False/ServiceRefused");
    stage.until_event(&plane, "exceeded quota: few").await;
    assert_eq!(events(&stage, "demo", "FailedCreate").await, 1);

    // It is tried again and again, and said once; the next leader does not take it back for a moment either.
    let version = |found: &Value| found["metadata"]["resourceVersion"].clone();
    let since = |found: &Value| {
        let all = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|c| c["type"] == "ChildrenRefused").map(|c| c["lastTransitionTime"].clone())
    };
    let settled = stage.until_phase(&plane, "vmcp/demo", "Pending").await;
    assert_eq!(settled["status"]["message"], message.as_str());
    assert!(plane.terminate().await.success());
    let next = stage.plane_with(&["--identity=second"]);
    next.until_log("cannot write a child object, trying again").await;
    stage.apply(&GROUP.replace("tools", "others")).await;
    stage.until_phase(&next, "mcpgroup/others", "Ready").await;
    let kept = stage.find("vmcp/demo").await.expect("it is there");
    assert_eq!((version(&kept), since(&kept)), (version(&settled), since(&refused)), "{}", next.log());

    stage.kubectl(&["delete", "resourcequota", "few"], "").await;
    stage.until(&next, "service/vmcp-demo", "the Service", |_| true).await;
    let accepted = until_accepted(&stage, &next, "vmcp/demo").await;
    assert_ne!(accepted["status"]["message"], message.as_str());
    stage.until(&next, "vmcp/demo", "exposed", |found| condition(found, "Exposed") == "True/ClusterIP").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_template_that_the_api_server_refuses_is_said_and_what_runs_stays() {
    let stage = Stage::new("template").await;
    let plane = stage.plane();
    // understood by us, and not by the API server: no such restart policy
    let bad = "  podTemplateSpec: {spec: {restartPolicy: Sometimes}}\n";
    stage.apply(&format!("{GROUP}---{}", server(bad))).await;
    let (message, refused) = until_refused(&stage, &plane, "mcpserver/one", "FailedCreate").await;
    assert!(message.starts_with("cannot create StatefulSet one: "), "{message}");
    assert!(message.contains("restartPolicy"), "{message}");
    assert_eq!(refused["status"]["message"], message.as_str(), "{refused:#}");

    stage.apply(&server("")).await;
    let made = stage.until(&plane, "statefulset/one", "the StatefulSet", |_| true).await;
    until_accepted(&stage, &plane, "mcpserver/one").await;

    stage.apply(&server(bad)).await;
    until_refused(&stage, &plane, "mcpserver/one", "FailedUpdate").await;
    let kept = stage.find("statefulset/one").await.expect("it is there");
    assert_eq!(kept["metadata"]["generation"], made["metadata"]["generation"]);
    // whoever gives up is not reminded
    stage.kubectl(&["delete", "mcpserver", "one"], "").await;
    stage.apply(&server("").replace("{name: one}", "{name: two}")).await;
    stage.until(&plane, "statefulset/two", "the next one", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_name_that_is_taken_is_said_until_it_is_free() {
    let stage = Stage::new("taken").await;
    stage.apply(FOREIGN).await;
    let plane = stage.plane();
    stage.apply(&format!("{GROUP}---{VIRTUAL_SERVER}")).await;
    let (message, refused) = until_refused(&stage, &plane, "vmcp/demo", "NameTaken").await;
    assert!(message.contains("Service vmcp-demo: there is one that is not ours"), "{message}");
    assert_eq!(condition(&refused, "Exposed"), "False/ServiceNameTaken");
    stage.until_event(&plane, "there is one that is not ours").await;

    stage.kubectl(&["delete", "service", "vmcp-demo"], "").await;
    until_accepted(&stage, &plane, "vmcp/demo").await;
    stage.until(&plane, "service/vmcp-demo", "ours", |s| s["spec"]["ports"][0]["port"] == 4483).await;
}

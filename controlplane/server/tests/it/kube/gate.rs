//! Acceptance checks B of the spec (10.2) that need no pods: the readiness gate, Services, what is said of bad specs.

use super::stage::{Stage, condition};

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPGroup
metadata: {name: tools}
---
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPServerEntry
metadata: {name: docs}
spec: {groupRef: {name: tools}, remoteUrl: 'https://mcp.example.com/mcp', transport: streamable-http}
";

fn virtual_server(more: &str) -> String {
    format!(
        "
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: VirtualMCPServer
metadata: {{name: demo}}
spec:
  groupRef: {{name: tools}}
  incomingAuth: {{type: anonymous}}
{more}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_virtual_server_waits_for_its_group_and_goes_on_when_it_comes() {
    let stage = Stage::new("b1").await;
    let plane = stage.plane();
    stage.apply(&virtual_server("")).await;
    let failed = stage.until_phase(&plane, "vmcp/demo", "Failed").await;
    assert_eq!(condition(&failed, "GroupRefValidated"), "False/GroupRefNotFound");
    assert_eq!(failed["status"]["message"], "Referenced MCPGroup tools not found");
    assert!(stage.find("service/vmcp-demo").await.is_none(), "nothing is made before the gate");
    stage.until_event(&plane, "Referenced MCPGroup tools not found").await;

    stage.apply(GROUP).await;
    let passed = stage
        .until(&plane, "vmcp/demo", "the gate is passed", |found| {
            condition(found, "GroupRefValidated") == "True/GroupRefValid"
        })
        .await;
    assert_ne!(passed["status"]["phase"], "Failed");
    stage.until(&plane, "service/vmcp-demo", "the Service is there", |_| true).await;
    assert!(stage.find("deployment/demo").await.is_none(), "there is no pod per virtual server");
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_and_b4_a_service_leads_to_a_virtual_server_and_changes_in_place() {
    let stage = Stage::new("b3").await;
    let plane = stage.plane();
    stage.apply(&format!("{GROUP}---{}", virtual_server(""))).await;
    let made = stage.until(&plane, "service/vmcp-demo", "the Service is there", |_| true).await;
    assert_eq!(
        (&made["spec"]["type"], &made["spec"]["ports"][0]["port"]),
        (&"ClusterIP".into(), &4483.into())
    );
    assert!(made["spec"]["selector"].is_null(), "a Service cannot select pods of another namespace");
    let url = format!("http://vmcp-demo.{}.svc.cluster.local:4483", stage.namespace);
    stage
        .until(&plane, "vmcp/demo", "the URL is shown", |found| found["status"]["url"] == url.as_str())
        .await;

    stage.apply(&virtual_server("  serviceType: NodePort\n")).await;
    let changed = stage
        .until(&plane, "service/vmcp-demo", "NodePort", |found| found["spec"]["type"] == "NodePort")
        .await;
    assert_eq!(changed["metadata"]["uid"], made["metadata"]["uid"], "in place");
    assert_eq!(changed["spec"]["clusterIP"], made["spec"]["clusterIP"]);
    assert_eq!(changed["spec"]["ports"][0]["targetPort"], made["spec"]["ports"][0]["targetPort"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_a_pod_template_that_is_none_is_said_and_stops_nothing_that_serves() {
    let stage = Stage::new("b6").await;
    let plane = stage.plane();
    stage.apply(&format!("{GROUP}---{}", virtual_server(""))).await;
    let made = stage.until(&plane, "service/vmcp-demo", "the Service is there", |_| true).await;

    stage.apply(&virtual_server("  podTemplateSpec: {spec: {containers: 7}}\n")).await;
    let failed = stage.until_phase(&plane, "vmcp/demo", "Failed").await;
    assert_eq!(condition(&failed, "PodTemplateSpecValid"), "False/InvalidPodTemplateSpec");
    let kept = stage.find("service/vmcp-demo").await.expect("what serves stays");
    assert_eq!(kept["metadata"]["uid"], made["metadata"]["uid"]);
    stage.until_event(&plane, "podTemplateSpec").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_an_entry_at_an_address_that_must_not_be_called_fails() {
    let stage = Stage::new("a8").await;
    let plane = stage.plane();
    let entry = |name: &str, url: &str, more: &str| {
        format!(
            "---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {{name: {name}}}
spec: {{groupRef: {{name: tools}}, remoteUrl: '{url}', transport: streamable-http{more}}}
"
        )
    };
    let all = [
        GROUP.to_owned(),
        entry("metadata", "http://169.254.169.254/x", ""),
        entry("private", "http://10.0.0.5/mcp", ""),
        entry("allowed", "http://10.0.0.6/mcp", ", allowPrivateEndpoint: true"),
    ];
    stage.apply(&all.concat()).await;
    for name in ["metadata", "private"] {
        let failed = stage.until_phase(&plane, &format!("mcpserverentry/{name}"), "Failed").await;
        assert_eq!(condition(&failed, "RemoteURLValidated"), "False/RemoteURLInvalid", "{name}");
    }
    stage.until_phase(&plane, "mcpserverentry/allowed", "Valid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_somebody_deletes_or_changes_is_made_again_and_one_of_somebody_else_is_left_alone() {
    let stage = Stage::new("children").await;
    let foreign = "
apiVersion: v1
kind: Service
metadata: {name: vmcp-demo}
spec: {ports: [{port: 80}], selector: {app: mine}}
";
    stage.apply(foreign).await;
    let mut plane = stage.plane();
    stage.apply(&format!("{GROUP}---{}", virtual_server(""))).await;
    plane.until_log("there is one that is not ours").await;
    let left = stage.find("service/vmcp-demo").await.expect("it is there");
    assert_eq!(left["spec"]["ports"][0]["port"], 80, "what is not ours stays as it is");

    stage.kubectl(&["delete", "service", "vmcp-demo"], "").await;
    let made =
        stage.until(&plane, "service/vmcp-demo", "ours", |s| s["spec"]["ports"][0]["port"] == 4483).await;
    stage.kubectl(&["delete", "service", "vmcp-demo"], "").await;
    stage
        .until(&plane, "service/vmcp-demo", "made again", |s| s["metadata"]["uid"] != made["metadata"]["uid"])
        .await;
    let patch = r#"{"spec":{"sessionAffinity":"None","ports":[{"port":4483,"targetPort":1}]}}"#;
    stage.patch("service/vmcp-demo", patch).await;
    let port = &made["spec"]["ports"][0]["targetPort"];
    stage
        .until(&plane, "service/vmcp-demo", "put right", |s| s["spec"]["ports"][0]["targetPort"] == *port)
        .await;
    assert!(plane.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_virtual_server_of_a_group_that_is_not_ready_waits() {
    let stage = Stage::new("b2").await;
    let plane = stage.plane();
    stage.apply(GROUP).await;
    stage.until_phase(&plane, "mcpgroup/tools", "Ready").await;
    // being deleted, and held by somebody else's finalizer
    stage.patch("mcpgroup/tools", r#"{"metadata":{"finalizers":["example.com/wait"]}}"#).await;
    stage.kubectl(&["delete", "mcpgroup", "tools", "--wait=false"], "").await;
    stage.apply(&virtual_server("")).await;
    let waiting = stage.until_phase(&plane, "vmcp/demo", "Pending").await;
    assert_eq!(condition(&waiting, "GroupRefValidated"), "False/GroupRefNotReady");
    assert_eq!(condition(&waiting, "Ready"), "False/GroupRefNotReady");
    assert!(stage.find("service/vmcp-demo").await.is_none(), "nothing is made before the gate");
    assert!(stage.find("deployment/demo").await.is_none());

    stage.patch("mcpgroup/tools", r#"{"metadata":{"finalizers":null}}"#).await;
    stage.until_phase(&plane, "vmcp/demo", "Failed").await;
    stage.apply(GROUP).await;
    stage.until(&plane, "service/vmcp-demo", "the gate is passed", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_a_backend_whose_credentials_are_missing_is_left_out_and_the_others_are_served() {
    let stage = Stage::new("b9").await;
    let plane = stage.plane();
    let broken = "---
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPServerEntry
metadata: {name: broken}
spec:
  groupRef: {name: tools}
  remoteUrl: 'https://broken.example.com/mcp'
  transport: streamable-http
  externalAuthConfigRef: {name: missing}
";
    stage.apply(&format!("{GROUP}{broken}---{}", virtual_server(""))).await;
    let served = stage
        .until(&plane, "vmcp/demo", "one backend and a condition", |found| {
            !condition(found, "DiscoveredAuthConfig-broken").is_empty()
                && found.pointer("/status/discoveredBackends/0").is_some()
        })
        .await;
    assert_ne!(served["status"]["phase"], "Failed", "{served:#}");
    assert_eq!(condition(&served, "DiscoveredAuthConfig-broken"), "False/ConversionFailed");
    let backends = served["status"]["discoveredBackends"].as_array().cloned().unwrap_or_default();
    let names: Vec<_> = backends.iter().map(|backend| backend["name"].clone()).collect();
    assert_eq!(names, ["docs"]);
    assert_eq!(condition(&served, "DiscoveredAuthConfig-docs"), "");
}

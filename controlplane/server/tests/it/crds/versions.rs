//! Both versions hold the same, and the older one says that it is old (A7).

use serde_json::json;
use tidegate_controlplane_api::Kind;

use super::admission::Admission;
use super::sample::{all, schema, valid};

const OLD: &str = "v1alpha1";
const NEW: &str = "v1beta1";
const WARNING: &str = r#"299 - "toolhive.stacklok.dev/v1alpha1 is deprecated; use v1beta1""#;

#[tokio::test(flavor = "multi_thread")]
async fn a7_what_is_written_in_one_version_is_read_in_the_other_without_loss() {
    let server = Admission::new("versions").await;
    for kind in Kind::SERVED {
        for (number, spec) in valid(kind).iter().enumerate() {
            for (wrote, read) in [(OLD, NEW), (NEW, OLD)] {
                let name = format!("{wrote}-{number}");
                let written = server.create(kind, wrote, &name, spec).await;
                let found = server.get(kind, read, &name).await;
                assert_eq!(&found.object["spec"], spec, "{kind} written in {wrote}");
                let again = server.get(kind, wrote, &name).await;
                assert_eq!(again.object["spec"], found.object["spec"], "{kind} written in {wrote}");
                for (version, answer) in [(wrote, &written), (read, &found), (wrote, &again)] {
                    let expected: &[&str] = if version == OLD { &[WARNING] } else { &[] };
                    assert_eq!(answer.warnings, expected, "{kind} in {version}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_with_every_field_is_stored_whole() {
    let server = Admission::new("status").await;
    for kind in Kind::SERVED {
        let mut object = server.create(kind, NEW, "x", &valid(kind)[0]).await.object;
        let status = all(&schema(kind, "status"));
        object["status"] = status.clone();
        let stored = server.put_status(kind, "x", &object).await;
        assert_eq!((&stored.object["status"], stored.warnings.len()), (&status, 0), "{kind}");
        let read = server.get(kind, OLD, "x").await;
        assert_eq!(read.object["status"], status, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_what_is_left_out_has_the_documented_default_or_none() {
    let server = Admission::new("defaults").await;
    let foo = json!({"groupRef": {"name": "g"}, "incomingAuth": {"type": "anonymous"}, "serviceType": "Foo"});
    let refusals = server.refusals(Kind::VirtualMcpServer, &foo).await;
    let text = r#"Unsupported value: "Foo": supported values: "ClusterIP", "NodePort", "LoadBalancer""#;
    assert_eq!(refusals[0], format!("spec.serviceType: {text}"));

    let spec = json!({
        "groupRef": {"name": "g"},
        "incomingAuth": {"type": "anonymous"},
        "config": {"operational": {"timeouts": {}, "failureHandling": {"circuitBreaker": {"enabled": true}}}},
    });
    let made = server.create(Kind::VirtualMcpServer, OLD, "x", &spec).await.object;
    let expected = json!({
        "groupRef": {"name": "g"},
        "incomingAuth": {"type": "anonymous"},
        "serviceType": "ClusterIP",
        "sessionAffinity": "ClientIP",
        "config": {"operational": {
            "timeouts": {"default": "30s"},
            // no default of partialFailureMode: absent is not the same as `fail`
            "failureHandling": {
                "healthCheckInterval": "30s",
                "healthCheckTimeout": "10s",
                "statusReportingInterval": "30s",
                "unhealthyThreshold": 3,
                "circuitBreaker": {"enabled": true, "failureThreshold": 5, "timeout": "60s"},
            },
        }},
    });
    assert_eq!(made["spec"], expected);
    let server_spec = json!({"image": "i"});
    let made = server.create(Kind::McpServer, OLD, "x", &server_spec).await.object;
    let expected = json!({
        "image": "i",
        "transport": "stdio",
        "proxyMode": "streamable-http",
        "proxyPort": 8080,
        "sessionAffinity": "ClientIP",
    });
    assert_eq!(made["spec"], expected);
}

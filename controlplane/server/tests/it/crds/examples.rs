//! The guide's manifests are taken as they are (A1), and name what they lack when they are only parts.

use std::fs;

use serde_json::{Value, json};
use tidegate_controlplane_api::meta::Kind;
use tidegate_controlplane_api::read;

use super::admission::{Admission, cluster, repository};

const NAMESPACE: &str =
    r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "toolhive-system"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a1_the_guides_manifests_are_accepted_in_both_versions() {
    let cluster = cluster().await;
    cluster.kubectl_ok(&["apply", "-f", "-"], NAMESPACE).await.unwrap();
    let guide = repository().join("deploy/examples/guide");
    let path = guide.to_str().unwrap();
    let output = cluster.kubectl(&["apply", "-f", path], "").await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors.trim(), "Warning: toolhive.stacklok.dev/v1alpha1 is deprecated; use v1beta1");
    let said = String::from_utf8(output.stdout).unwrap();
    for made in [
        "mcpgroup.toolhive.stacklok.dev/my-group created",
        "mcpserver.toolhive.stacklok.dev/my-server created",
        "mcpremoteproxy.toolhive.stacklok.dev/my-proxy created",
        "mcpserverentry.toolhive.stacklok.dev/my-entry created",
        "virtualmcpserver.toolhive.stacklok.dev/my-vmcp created",
    ] {
        assert!(said.lines().any(|line| line == made), "{said}");
    }
    for text in manifests() {
        let newer = text.replace("v1alpha1", "v1beta1");
        cluster.kubectl_ok(&["apply", "-f", "-"], &newer).await.unwrap();
    }
    cluster.kubectl_ok(&["delete", "namespace", "toolhive-system", "--wait=false"], "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstarts_manifests_are_accepted() {
    let quickstart = repository().join("deploy/examples/quickstart/quickstart.yaml");
    let apply = ["apply", "--dry-run=server", "-f", quickstart.to_str().unwrap()];
    cluster().await.kubectl_ok(&apply, "").await.unwrap();
}

#[test]
fn the_guides_manifests_read_without_a_word() {
    for text in manifests() {
        let reading = read("guide.yaml", text.as_bytes());
        assert!(
            reading.diagnostics.is_empty() && !reading.documents.is_empty(),
            "{:#?}",
            reading.diagnostics
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_fragment_is_refused_with_the_names_of_what_it_lacks() {
    let server = Admission::new("fragments").await;
    let unchecked = ": Invalid value: null: some validation rules were not checked because the object was invalid; \
                     correct the existing errors to complete validation";
    let operational = json!({"config": {"operational": {"timeouts": {"default": "30s"}}}});
    let refusals = server.refusals(Kind::VirtualMcpServer, &operational).await;
    let expected = ["spec.groupRef: Required value", "spec.incomingAuth: Required value"];
    assert_eq!(refusals[..2], expected, "{refusals:#?}");
    assert!(refusals[2..].iter().all(|line| line.ends_with(unchecked)), "{refusals:#?}");

    let entry = json!({"remoteUrl": "https://mcp.example.org/mcp"});
    let refusals = server.refusals(Kind::McpServerEntry, &entry).await;
    assert_eq!(refusals, ["spec.transport: Required value", "spec.groupRef: Required value"]);
    assert_eq!(server.refusals(Kind::McpServer, &Value::Null).await[0], "spec: Required value");
    assert_eq!(server.refusals(Kind::McpGroup, &Value::Null).await, Vec::<String>::new());
}

fn manifests() -> Vec<String> {
    let files =
        fs::read_dir(repository().join("deploy/examples/guide")).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

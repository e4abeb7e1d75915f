//! What reading says about good and bad files.

use serde_json::json;
use tidegate_controlplane_api::{Document, Failure, Kind, Object, ObjectRef, Store, read, read_object};

const SERVER: &str = "\
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: VirtualMCPServer
metadata:
  name: demo
spec:
  groupRef:
    name: tools
  incomingAuth:
    type: anonymous
  config:
    operational:
      timeouts:
        default: 1m30s
        perWorkload: {slow: 2m}
";

fn lines(bytes: &[u8]) -> Vec<String> {
    read("f.yaml", bytes).diagnostics.iter().map(ToString::to_string).collect()
}

fn place(document: &Document, field: &str) -> String {
    document.locate(field).map(|place| place.to_string()).unwrap_or_default()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(lines(text.as_bytes()), expected, "{text}");
}

#[test]
fn a_guide_manifest_reads_without_a_word() {
    check(SERVER, &[]);
    let reading = read("f.yaml", SERVER.as_bytes());
    let document = &reading.documents[0];
    assert_eq!(document.object_ref, ObjectRef::new(Kind::VirtualMcpServer, "default", "demo"));
    assert_eq!(place(document, "spec.config.operational.timeouts.perWorkload.slow"), "f.yaml:14:29");
    assert_eq!(place(document, "spec.config.operational.failureHandling.x"), "f.yaml:11:5");
    let Object::VirtualServer(object) = &document.object else { panic!() };
    let timeouts = object.spec.config.as_ref().unwrap().operational.as_ref().unwrap().timeouts.as_ref();
    assert_eq!(timeouts.unwrap().default.unwrap().to_string(), "1m30s");
}

#[test]
fn all_problems_of_a_document_are_reported() {
    let text = SERVER
        .replace(
            "  groupRef:\n    name: tools\n",
            "  groupReff: {name: tools}\n  serviceType: Foo\n  replicas: -1\n",
        )
        .replace("anonymous", "anonymus")
        .replace("1m30s", "90");
    check(
        &text,
        &[
            "f.yaml:6:3: error[unknown-field]: VirtualMCPServer default/demo: spec.groupReff: no such field; \
             remedy: did you mean groupRef?",
            "f.yaml:7:16: error[bad-value]: VirtualMCPServer default/demo: spec.serviceType: spec.serviceType must \
             be one of: ClusterIP, NodePort, LoadBalancer; found \"Foo\"; remedy: write one of: ClusterIP, NodePort, \
             LoadBalancer",
            "f.yaml:8:13: error[bad-value]: VirtualMCPServer default/demo: spec.replicas: expected a whole number, \
             not negative, found integer -1; remedy: write such a number, without quotes",
            "f.yaml:10:11: error[bad-value]: VirtualMCPServer default/demo: spec.incomingAuth.type: \
             spec.incomingAuth.type must be one of: anonymous, oidc; found \"anonymus\"; remedy: did you mean \
             anonymous?",
            "f.yaml:14:18: error[bad-type]: VirtualMCPServer default/demo: spec.config.operational.timeouts.default: \
             expected text, found integer 90; remedy: put it in quotes",
        ],
    );
}

#[test]
fn missing_fields_are_named() {
    let check_field = |from: &str, to: &str, expected: &str| {
        let found = lines(SERVER.replace(from, to).as_bytes());
        assert!(found.len() == 1 && found[0].contains(expected), "{found:#?}");
    };
    check_field("  incomingAuth:\n    type: anonymous\n", "", "spec.incomingAuth is required");
    check_field("    type: anonymous\n", "    {}\n", "spec.incomingAuth.type is required");
    check_field("  name: demo\n", "  namespace: x\n", "metadata.name is required");
    check_field("kind: VirtualMCPServer\n", "", "kind is required");
    check_field("    name: tools", "    name: ''", "spec.groupRef.name: must not be empty");
    check_field("    name: tools", "    {}", "spec.groupRef.name is required");
}

#[test]
fn a_bare_group_name_is_read() {
    check(&SERVER.replace("\n    name: tools", " tools"), &[]);
}

#[test]
fn unknown_fields_are_warnings_where_the_schema_preserves_them() {
    check(
        &SERVER.replace("    operational:", "    operationel:"),
        &[
            "f.yaml:11:5: warning[unknown-field]: VirtualMCPServer default/demo: spec.config.operationel: no such \
            field; remedy: did you mean operational?",
        ],
    );
}

#[test]
fn anchors_and_merge_keys_are_resolved_with_their_positions() {
    let text = "\
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: &meta {name: a, labels: &labels {team: x}}
spec: &spec
  remoteUrl: https://a.example/mcp
  transport: streamable-http
  groupRef: {name: tools}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {name: b}
spec:
  <<: &more {remoteUrl: https://b.example/mcp, transport: sse}
  transport: streamable-http
  groupRef: {name: tools}
";
    check(text, &[]);
    let reading = read("f.yaml", text.as_bytes());
    let Object::Entry(entry) = &reading.documents[1].object else { panic!() };
    assert_eq!(entry.spec.remote_url.0, "https://b.example/mcp");
    assert_eq!(entry.spec.transport.as_str(), "streamable-http");
    assert_eq!(place(&reading.documents[1], "spec.remoteUrl"), "f.yaml:13:25");
}

#[test]
fn lists_and_json_are_read() {
    let text = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPGroup", "metadata": {"name": "tools"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    ]}"#;
    let reading = read("f.json", text.as_bytes());
    assert_eq!(reading.documents.len(), 1);
    assert_eq!(
        reading.diagnostics[0].to_string(),
        "f.json:3:9: info[foreign-kind]: Secret s (v1) is not read here; remedy: nothing to do; in a cluster, \
         apply it with kubectl"
    );
}

#[test]
fn an_object_of_an_api_server_has_no_place() {
    let mut object = json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": "MCPGroup",
        "metadata": {"name": "tools", "generation": 3, "managedFields": [{"manager": "kubectl"}]},
        "spec": {"description": "all of them"},
        "status": {"phase": "Ready", "conditions": "not even read"},
    });
    let reading = read_object(&object);
    assert_eq!((reading.diagnostics, reading.failures), (vec![], vec![]));
    let [document] = &reading.documents[..] else { panic!("{:?}", reading.documents) };
    assert_eq!(document.object_ref, ObjectRef::new(Kind::McpGroup, "default", "tools"));
    assert_eq!(document.locate("spec"), None);
    assert_eq!(document.object.metadata().generation, 3);
    assert!(document.object.metadata().managed_fields.is_empty());

    object["spec"] = json!({"descripton": 1});
    let reading = read_object(&object);
    assert_eq!(reading.failures, [Failure::Object(document.object_ref.clone())]);
    assert_eq!(
        reading.diagnostics[0].to_string(),
        "error[unknown-field]: MCPGroup default/tools: spec.descripton: no such field; remedy: did you mean \
         description?"
    );
}

#[test]
fn every_kind_of_the_group_is_read_or_known_by_name() {
    let text = "\
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: VirtualMCPCompositeToolDefinition
metadata: {name: report}
spec:
  name: report
  steps:
  - {id: a, tool: clock_now, onError: {action: retry, retryCount: 2}}
  - {id: b, type: forEach, collection: '{{.steps.a.output}}', step: {tool: notes_add}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPOIDCConfig
metadata: {name: idp}
spec: {type: inline, inline: {issuer: https://idp.example, jwksAllowPrivateIP: true}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {name: key}
spec: {type: headerInjection, headerInjection: {headerName: X-Key, valueSecretRef: {name: s, key: k}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPAuthzConfig
metadata: {name: policies}
spec: {type: cedarv1, config: {policies: ['permit(principal, action, resource);'], entities_json: '[]'}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPToolConfig
metadata: {name: few}
spec: {toolsFilter: [now], toolsOverride: {now: {name: time, annotations: {readOnlyHint: true}}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPTelemetryConfig
metadata: {name: otel}
spec: {openTelemetry: {enabled: true, endpoint: otel:4318, tracing: {enabled: true, samplingRate: '0.1'}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: EmbeddingServer
metadata: {name: tei}
";
    check(
        text,
        &[
            "f.yaml:35:1: info[kind-not-served]: EmbeddingServer default/tei: EmbeddingServer is accepted, but has no \
           effect yet; remedy: nothing to do; what refers to it is reported where it matters",
        ],
    );
    let kinds = read("f.yaml", text.as_bytes()).documents.into_iter().map(|d| d.object_ref.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), Kind::SERVED[5..]);
}

#[test]
fn files_that_are_no_manifests_are_named_as_what_they_are() {
    let check_code = |bytes: &[u8], expected: &str| {
        let reading = read("f.yaml", bytes);
        assert_eq!(reading.diagnostics.first().map(|d| d.code), Some(expected), "{:?}", reading.diagnostics);
        assert_eq!(reading.failures, [Failure::File]);
    };
    check_code(b"\x7fELF\0\0", "binary-file");
    check_code(b"a: \xff", "not-utf8");
    check_code(b"\xff\xfea\0", "not-utf8");
    check_code(b"a: \x01", "control-character");
    check_code(&vec![b'#'; (4 << 20) + 1], "file-too-large");
    check_code(b"a:\n\tb: c", "yaml-syntax");
    check_code(b"a: [1, 2", "yaml-syntax");
    check_code(b"just text", "not-an-object");
    check_code(b"- a\n- b", "not-an-object");
    check_code("[".repeat(200).as_bytes(), "too-deep");
    check_code(b"a: &a [*a]", "bad-alias");
    check_code(b"a: 1\na: 2", "duplicate-key");
    check_code(b"replicas: 3", "missing-field");
    let bomb = (1..40).fold("x0: &x0 [aaaaaaaaaa, b]\n".to_owned(), |text, n| {
        text + &format!("x{n}: &x{n} [*x{0}, *x{0}]\n", n - 1)
    });
    check_code(bomb.as_bytes(), "alias-expansion");
}

#[test]
fn empty_documents_and_comments_are_no_problem() {
    check("", &[]);
    check("# nothing\n---\n---\n# more\n", &[]);
    check(&format!("---\n{SERVER}---\n"), &[]);
}

#[test]
fn wrong_groups_versions_and_kinds_have_a_remedy() {
    let check_remedy = |from: &str, to: &str, expected: &str| {
        let found = lines(SERVER.replace(from, to).as_bytes());
        assert!(found.len() == 1 && found[0].ends_with(expected), "{found:#?}");
    };
    check_remedy(
        "v1alpha1",
        "v1",
        "write apiVersion: toolhive.stacklok.dev/v1beta1 or toolhive.stacklok.dev/v1alpha1",
    );
    check_remedy("stacklok.dev/", "stacklok.io/", "write apiVersion: toolhive.stacklok.dev/v1beta1");
    check_remedy("VirtualMCPServer", "VirtualMCPSever", "did you mean VirtualMCPServer?");
}

#[test]
fn a_broken_document_keeps_its_last_good_version_and_a_broken_file_all_of_them() {
    let two = format!("{SERVER}---\n{}", SERVER.replace("demo", "other"));
    let mut store = Store::new();
    assert!(store.update("f.yaml", Some(two.as_bytes())));
    assert!(!store.update("f.yaml", Some(two.as_bytes())));
    let names = |store: &Store| store.documents().map(|d| d.object_ref.name.to_string()).collect::<Vec<_>>();

    assert!(store.update("f.yaml", Some(two.replacen("anonymous", "nobody", 1).as_bytes())));
    assert_eq!(names(&store), ["other", "demo"]);
    store.update("f.yaml", Some(b"a: ["));
    assert_eq!(names(&store), ["other", "demo"]);
    store.update("f.yaml", Some(b" \n"));
    assert_eq!(names(&store), ["other", "demo"]);
    assert!(store.diagnostics().any(|d| d.code == "empty-file"));
    store.update("f.yaml", Some(SERVER.as_bytes()));
    assert_eq!(names(&store), ["demo"]);
    store.update("f.yaml", Some(b"# all gone\n"));
    assert!(names(&store).is_empty());
    store.update("g.yaml", Some(SERVER.replace("anonymous", "nobody").as_bytes()));
    assert_eq!(store.unreadable().count(), 1);
    assert!(store.update("g.yaml", None));
    assert!(!store.update("g.yaml", None));
}

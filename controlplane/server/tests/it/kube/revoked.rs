//! Permissions that are taken away while the control plane runs: everything else goes on, and what was missed is made up afterwards.

use serde_json::{Value, json};
use tidegate_bench_cluster::{Cluster, eventually};
use tidegate_controlplane_api::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{Plane, Stage, condition};
use crate::support::{DEADLINE, FakeNode, Held};

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";

fn entry(name: &str) -> String {
    format!(
        "---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {{name: {name}}}
spec: {{groupRef: {{name: tools}}, remoteUrl: 'https://{name}.example.com/mcp', transport: streamable-http}}
"
    )
}

fn virtual_server(name: &str) -> String {
    format!(
        "---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {{name: {name}}}
spec: {{groupRef: {{name: tools}}, incomingAuth: {{type: anonymous}}}}
"
    )
}

/// Everything that the control plane needs, but to list and watch one kind, and to write statuses if not `statuses`.
fn role(unlisted: Option<Kind>, statuses: bool) -> String {
    let kinds: Vec<String> = Kind::SERVED.into_iter().map(|kind| kind.plural()).collect();
    let listed: Vec<String> =
        Kind::SERVED.into_iter().filter(|kind| Some(*kind) != unlisted).map(|kind| kind.plural()).collect();
    let subresources = |name: &str| kinds.iter().map(|kind| format!("{kind}/{name}")).collect::<Vec<_>>();
    let ours = "toolhive.stacklok.dev";
    let mut rules = vec![
        json!({ "apiGroups": ["", "apps", "discovery.k8s.io", "coordination.k8s.io", "events.k8s.io"], "resources": ["*"], "verbs": ["*"] }),
        json!({ "apiGroups": [ours], "resources": kinds, "verbs": ["get", "patch"] }),
        json!({ "apiGroups": [ours], "resources": subresources("finalizers"), "verbs": ["update"] }),
        json!({ "apiGroups": [ours], "resources": listed, "verbs": ["list", "watch"] }),
    ];
    if statuses {
        rules.push(json!({ "apiGroups": [ours], "resources": subresources("status"), "verbs": ["patch"] }));
    }
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "most" }, "rules": rules })
        .to_string()
}

/// A control plane whose permissions are the role's.
async fn limited(stage: &Stage<'_>) -> Plane {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "most" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "most" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "limited" }],
    });
    stage.apply(&format!("{}\n---\n{binding}", role(None, true))).await;
    let kubeconfig = stage.cluster.as_user("limited", "people").expect("a kubeconfig");
    stage.plane_as(&kubeconfig, &["--admin=127.0.0.1:0"])
}

/// The value of one line of the metrics; 0 when it is not there.
async fn metric(plane: &Plane, name: &str) -> u64 {
    let log = plane.log();
    let port = log.split("admin port address=Some(127.0.0.1:").nth(1).and_then(|rest| rest.split(')').next());
    let port: u16 = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no admin port: {log}"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the admin port");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("tidegate_controlplane_{name} ")));
    line.map_or(0, |value| value.parse().expect("a number"))
}

/// Names of the virtual servers and numbers of backends that a node holds.
fn held(held: &Held) -> (Vec<String>, usize) {
    let servers = held.table.virtual_servers().map(|server| server.id.name.to_string()).collect();
    (servers, held.table.backends().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_may_not_be_listed_any_more_stays_as_it_was_and_all_others_go_on() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "unlisted").await;
    let plane = limited(&stage).await;
    stage.apply(&[GROUP, &entry("a"), &entry("b"), &virtual_server("demo")].concat()).await;
    stage.until_phase(&plane, "mcpserverentry/b", "Valid").await;
    let mut node = FakeNode::join_at(&plane.socket(), "n", Held::default()).await;
    node.until("both backends", |now| held(now) == (vec!["demo".to_owned()], 2)).await;

    stage.apply(&role(Some(Kind::McpServerEntry), true)).await;
    // Watches that are open stay open: the API server asks once, when they begin.
    cluster.stop_apiserver().await.expect("it runs");
    cluster.start_apiserver().await.expect("it starts again");
    plane.until_log("may not list and watch mcpserverentries.toolhive.stacklok.dev").await;
    assert!(metric(&plane, "errors").await >= 1);
    let interrupted = r#"watch_errors_total{resource="mcpserverentries.toolhive.stacklok.dev"}"#;
    assert!(metric(&plane, interrupted).await >= 1);

    stage.kubectl(&["delete", "mcpserverentry", "a"], "").await;
    stage.apply(&[virtual_server("second"), entry("c")].concat()).await;
    stage.until(&plane, "service/vmcp-second", "another kind's edit", |_| true).await;
    let both = || vec!["demo".to_owned(), "second".to_owned()];
    let now = node.until("the new virtual server", |now| held(now).0 == both()).await;
    assert_eq!(held(&now), (both(), 2), "what is not known to be gone is served");
    assert!(stage.find("mcpserverentry/c").await.expect("it is there")["status"].is_null());

    stage.apply(&role(None, true)).await;
    plane.until_log(r#"watch works again resource="mcpserverentries.toolhive.stacklok.dev""#).await;
    stage.until_phase(&plane, "mcpserverentry/c", "Valid").await;
    let current = |now: &Held| {
        let backends = now.table.backends().map(|backend| backend.authority.clone());
        backends.collect::<Vec<_>>() == ["b.example.com", "c.example.com"]
    };
    node.until("what was missed", current).await;
    let recovered = async || (metric(&plane, "errors").await == 0).then_some(());
    eventually("no error", DEADLINE, recovered).await.expect("all is in order again");
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_that_may_not_be_written_any_more_stop_nothing_and_are_made_up_for() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "unwritten").await;
    let plane = limited(&stage).await;
    stage.apply(&[GROUP, &entry("a"), &virtual_server("demo")].concat()).await;
    stage.until_phase(&plane, "mcpserverentry/a", "Valid").await;
    let mut node = FakeNode::join_at(&plane.socket(), "n", Held::default()).await;
    node.until("the backend", |now| held(now).1 == 1).await;

    stage.apply(&role(None, false)).await;
    // Known to the API server some moments later.
    let refused = r#"writes_total{result="failed",what="status"}"#;
    let mut tries = 0;
    let fails = async || {
        tries += 1;
        stage.apply(&entry(&format!("try{tries}"))).await;
        (metric(&plane, refused).await > 0).then_some(())
    };
    eventually("a status that is refused", DEADLINE, fails).await.expect("it may not be written");
    stage.apply(&[virtual_server("second"), entry("b")].concat()).await;
    stage.until(&plane, "service/vmcp-second", "its Service", |_| true).await;
    let all =
        |now: &Held| held(now).0.len() == 2 && now.table.backends().any(|b| b.authority == "b.example.com");
    node.until("both edits", all).await;
    assert!(stage.find("mcpserverentry/b").await.expect("it is there")["status"].is_null());
    plane.until_log("cannot write statuses, trying again").await;
    assert_eq!(plane.log().matches("cannot write statuses").count(), 1, "{}", plane.log());

    stage.apply(&role(None, true)).await;
    stage.until_phase(&plane, "mcpserverentry/b", "Valid").await;
    let said = |found: &Value| !condition(found, "Ready").is_empty();
    stage.until(&plane, "vmcp/second", "its status", said).await;
    plane.until_log("statuses are written again").await;
}

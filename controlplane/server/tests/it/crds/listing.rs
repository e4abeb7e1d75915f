//! What `kubectl` shows of the kinds: columns (A9), short names (A10), the category, explanations.

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;

use super::admission::{Admission, cluster};
use super::sample::valid;
use crate::support::DEADLINE;

fn status(kind: Kind) -> Value {
    let condition = |r#type: &str, status: &str| {
        json!({
            "type": r#type, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z",
        })
    };
    let ready = json!([condition("Ready", "True")]);
    match kind {
        Kind::McpGroup => json!({
            "phase": "Ready", "serverCount": 2, "remoteProxyCount": 1,
            "conditions": [condition("MCPServersChecked", "True")],
        }),
        Kind::McpServer => {
            json!({"phase": "Ready", "url": "http://s", "readyReplicas": 3, "conditions": ready})
        }
        Kind::McpRemoteProxy => json!({"phase": "Ready", "url": "http://p", "conditions": ready}),
        Kind::McpServerEntry => json!({"phase": "Valid"}),
        Kind::VirtualMcpServer => {
            json!({"phase": "Degraded", "url": "http://v", "backendCount": 4, "conditions": ready})
        }
        Kind::VirtualMcpCompositeToolDefinition => json!({"validationStatus": "Valid", "conditions": ready}),
        _ => json!({"configHash": "h", "conditions": [condition("Valid", "False")]}),
    }
}

/// Short names, columns, and the row of an object with the status above; `AGE` for its age.
fn expected(kind: Kind) -> (&'static [&'static str], &'static str, &'static str) {
    match kind {
        Kind::McpGroup => {
            (&["mcpg", "mcpgroup"], "NAME SERVERS PROXIES PHASE CHECKED AGE", "x 2 1 Ready True AGE")
        }
        Kind::McpServer => (
            &["mcpserver", "mcpservers"],
            "NAME STATUS READY REPLICAS URL AGE",
            "x Ready True 3 http://s AGE",
        ),
        Kind::McpRemoteProxy => (
            &["rp", "mcprp"],
            "NAME PHASE REMOTE URL URL READY AGE",
            "x Ready https://mcp.example.com/mcp http://p True AGE",
        ),
        Kind::McpServerEntry => (
            &["mcpentry"],
            "NAME PHASE TRANSPORT REMOTE URL GROUP AGE",
            "x Valid streamable-http https://mcp.example.com/mcp text AGE",
        ),
        Kind::VirtualMcpServer => {
            (&["vmcp", "virtualmcp"], "NAME PHASE URL BACKENDS AGE READY", "x Degraded http://v 4 AGE True")
        }
        Kind::VirtualMcpCompositeToolDefinition => {
            (&["vmcpctd", "compositetool"], "NAME WORKFLOW STATUS AGE READY", "x text Valid AGE True")
        }
        Kind::McpOidcConfig => {
            (&["mcpoidc"], "NAME SOURCE VALID AGE", "x kubernetesServiceAccount False AGE")
        }
        Kind::McpExternalAuthConfig => {
            (&["extauth", "mcpextauth"], "NAME TYPE VALID AGE", "x tokenExchange False AGE")
        }
        Kind::McpAuthzConfig => (&["authzcfg"], "NAME TYPE VALID AGE", "x text False AGE"),
        Kind::McpToolConfig => (&["tc", "toolconfig"], "NAME VALID AGE", "x False AGE"),
        Kind::McpTelemetryConfig => {
            (&["mcpotel"], "NAME ENDPOINT VALID TRACING METRICS AGE", "x text False true true AGE")
        }
        Kind::Opaque(name) => panic!("{name} has no CRD"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a10_kubectl_shows_the_columns_of_every_kind_by_every_short_name() {
    let (cluster, server) = (cluster().await, Admission::new("listing").await);
    let namespace = &server.namespace;
    for kind in Kind::SERVED {
        let mut object = server.create(kind, "v1beta1", "x", &valid(kind)[0]).await.object;
        object["status"] = status(kind);
        server.put_status(kind, "x", &object).await;
        let (short_names, columns, row) = expected(kind);
        for name in short_names {
            let table = cluster.kubectl_ok(&["get", name, "-n", namespace], "").await.unwrap();
            let lines: Vec<_> = table.lines().map(words).collect();
            let age = age(&table);
            assert_eq!(lines, [columns, &row.replace("AGE", age)], "{name}");
        }
    }
    let all = cluster.kubectl_ok(&["get", "toolhive", "-n", namespace, "-o", "name"], "").await.unwrap();
    assert_eq!(all.lines().count(), Kind::SERVED.len(), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explains_the_fields() {
    let field = "vmcp.spec.config.operational.failureHandling.circuitBreaker";
    let cluster = cluster().await;
    // the API server tells of new kinds before it describes them
    let explain = async || cluster.kubectl_ok(&["explain", field], "").await.ok();
    let text = tidegate_bench_cluster::eventually("the fields", DEADLINE, explain).await.unwrap();
    for part in
        ["VERSION:    v1beta1", "timeout\t<string>", "How long it stays open, at least 1s; default 60s."]
    {
        assert!(text.contains(part), "{text}");
    }
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The word below AGE.
fn age(table: &str) -> &str {
    let mut lines = table.lines();
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    row[head.find("AGE").unwrap()..].split_whitespace().next().unwrap()
}

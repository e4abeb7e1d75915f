use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn samples() -> Vec<Fault> {
    vec![
        Fault::BackendUnavailable { workload: "git\"hub".into(), reason: "connection refused" },
        Fault::BackendTimeout { workload: "jira".into(), limit_ms: 1500 },
        Fault::BackendProtocol { workload: "jira".into() },
        Fault::unknown_tool(b"a\"b\n"),
        Fault::InvalidRequest("no method"),
        Fault::InvalidParams("name is missing"),
        Fault::BadHttp("two Content-Length"),
        Fault::Overloaded,
        Fault::ParseError,
    ]
}

fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("a body is JSON")
}

#[test]
fn codes_are_unique_and_snake_case() {
    let codes: HashSet<_> = ROWS.iter().map(|r| r.code).collect();
    assert_eq!(codes.len(), ROWS.len());
    assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}

#[test]
fn own_rpc_codes_stay_out_of_the_reserved_range() {
    const FIXED: [i64; 5] = [-32700, -32600, -32601, -32602, -32603];
    for row in ROWS {
        assert!(FIXED.contains(&row.rpc) || row.rpc == i64::from(row.http), "{}", row.code);
    }
}

#[test]
fn every_body_is_one_line_of_json_with_code_and_message() {
    for fault in samples() {
        let body = fault.body(b"7");
        assert!(!body.contains(&b'\n'));
        let expected = json!({"jsonrpc": "2.0", "id": 7, "error": {"code": fault.rpc_code(), "message": fault.message()}});
        assert_eq!(value(&body), expected);
    }
}

#[test]
fn not_acceptable_is_answered_as_tool_hive_does() {
    let expected = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Not Acceptable: Client must accept text/event-stream"}}"#;
    assert_eq!(Fault::NotAcceptable.body(b"null"), expected.as_bytes());
    assert_eq!(Fault::NotAcceptable.http_status(), 406);
}

#[test]
fn a_failing_backend_is_a_tool_result_that_names_it() {
    let check = |fault: Fault, text: &str| {
        let (status, body) = fault.call_body(br#""a-1""#);
        assert_eq!(status, 200);
        let result = json!({"content": [{"type": "text", "text": text}], "isError": true});
        assert_eq!(value(&body), json!({"jsonrpc": "2.0", "id": "a-1", "result": result}));
    };
    check(
        Fault::BackendUnavailable { workload: "github".into(), reason: "connection refused" },
        "backend unavailable: failed to call tool for backend github (connection error): connection refused",
    );
    check(
        Fault::BackendTimeout { workload: "jira".into(), limit_ms: 1500 },
        "operation timed out: backend jira did not answer within 1500 ms",
    );
}

#[test]
fn other_faults_of_a_call_are_errors() {
    let (status, body) = Fault::unknown_tool(b"x").call_body(b"1");
    assert_eq!(status, 200);
    assert_eq!(value(&body)["error"], json!({"code": -32602, "message": "tool \"x\" not found"}));
    assert_eq!(Fault::Overloaded.call_body(b"1").0, 503);
}

#[test]
fn what_a_program_can_act_on_stands_in_data() {
    let open = Fault::CircuitOpen { workload: "jira".into(), state: "open", retry_after_ms: 700 };
    let (status, body) = open.call_body(b"1");
    assert_eq!(status, 200);
    let message = "backend unavailable: circuit breaker of backend jira is open; try again in 700 ms";
    let data = json!({"backend": "jira", "state": "open", "retryAfterMs": 700});
    assert_eq!(value(&body)["error"], json!({"code": -32603, "message": message, "data": data}));
    let (status, body) = Fault::BackendOverloaded { workload: "jira".into() }.call_body(b"1");
    assert_eq!((status, &value(&body)["error"]["data"]["backend"]), (503, &json!("jira")));
    let missing = Fault::BackendsMissing { workloads: ["a".into(), "b".into()].into() };
    assert_eq!(value(&missing.body(b"1"))["error"]["data"], json!({"backends": ["a", "b"]}));
    assert!(missing.message().ends_with("not available: a, b"));
    let busy = Fault::BackendBusy { workload: "jira".into(), status: 429, retry_after_ms: Some(2000) };
    let result = value(&busy.call_body(b"1").1)["result"].clone();
    assert_eq!(result["_meta"], json!({"dev.tidegate/retryAfterMs": 2000}));
    assert_eq!(result["isError"], true);
}

#[test]
fn a_long_or_broken_tool_name_is_cut_and_stays_json() {
    let long = Fault::unknown_tool("ä".repeat(100_000).as_bytes());
    assert_eq!(long.message(), format!("tool \"{}…\" not found", "ä".repeat(128)));
    let broken = Fault::unknown_tool(&[b'"', 0xff, 0, b'\\']);
    assert_eq!(value(&broken.body(b"1"))["error"]["message"], "tool \"\"\u{fffd}\0\\\" not found");
}

#[test]
fn an_absent_id_is_null() {
    assert_eq!(value(&Fault::ParseError.body(b""))["id"], Value::Null);
}

#[test]
fn the_committed_document_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    let document = document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &document).expect("docs/faults.md is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == document, "docs/faults.md is stale: run this test with UPDATE=1");
}

fn document() -> String {
    let mut out = String::from(
        "# Faults\n\n<!-- generated from dataplane/core/src/fault/table.rs: `UPDATE=1 cargo test -p tidegate-dataplane-core fault` -->\n\n\
         Every request that fails ends in exactly one of these. The code is a metric label and a log field and does not\n\
         change. Blame says who has to change something. Codes of JSON-RPC that neither JSON-RPC nor MCP fixes repeat the\n\
         HTTP status.\n\n| code | blame | HTTP | JSON-RPC | public text |\n|---|---|---|---|---|\n",
    );
    for r in ROWS {
        let anchor = format!("[`{}`](#{})", r.code, r.code);
        out += &format!("| {anchor} | {} | {} | {} | `{}` |\n", r.blame.as_str(), r.http, r.rpc, r.message);
    }
    for r in ROWS {
        out += &format!("\n## {}\n\n{}\n", r.code, r.meaning);
    }
    out
}

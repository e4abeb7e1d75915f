//! Wire to IR: what is refused, and in which words.

use proptest::prelude::*;
use tidegate_proto::table::{Entry, EntryKey};
use tidegate_proto::wire;

use crate::arbitrary;

proptest! {
    #[test]
    fn an_entry_comes_back_from_the_wire_as_it_went(entry in arbitrary::entry()) {
        prop_assert_eq!(Entry::try_from(wire::Entry::from(&entry)), Ok(entry.clone()));
        let key = entry.key();
        prop_assert_eq!(EntryKey::try_from(wire::EntryKey::from(&key)), Ok(key));
    }
}

fn good_backend() -> wire::Backend {
    wire::Backend {
        id: "default/mcpserver/jira".into(),
        workload: "jira".into(),
        locality: wire::Locality::Local.into(),
        transport: wire::Transport::StreamableHttp.into(),
        authority: "jira:8080".into(),
        path: "/mcp".into(),
        endpoints: vec![wire::Endpoint { host: "10.0.0.1".into(), port: 8080, draining: false }],
        outgoing_auth: Some(wire::OutgoingAuth {
            kind: Some(wire::outgoing_auth::Kind::Unauthenticated(wire::Unauthenticated {})),
        }),
        egress: wire::Egress::Any.into(),
        ..Default::default()
    }
}

fn good_virtual_server() -> wire::VirtualServer {
    let member = |workload: &str| wire::Member {
        backend: format!("default/mcpserver/{workload}"),
        workload: workload.into(),
        call_timeout_ms: 30_000,
    };
    wire::VirtualServer {
        namespace: "default".into(),
        name: "demo".into(),
        server_name: "demo".into(),
        group: "all".into(),
        members: vec![member("a"), member("b"), member("c")],
        aggregation: Some(wire::Aggregation {
            conflict_resolution: Some(wire::aggregation::ConflictResolution::Manual(wire::Manual {})),
            default_visibility: wire::Visibility::Allow.into(),
            ..Default::default()
        }),
        health: Some(wire::HealthPolicy {
            interval_ms: 30_000,
            timeout_ms: 10_000,
            unhealthy_threshold: 3,
            probe_remote: false,
        }),
        partial_failure: wire::PartialFailure::BestEffort.into(),
        incoming_auth: Some(wire::IncomingAuth {
            kind: Some(wire::incoming_auth::Kind::Anonymous(wire::Anonymous {})),
        }),
        status_interval_ms: 30_000,
        ..Default::default()
    }
}

#[track_caller]
fn check_backend(edit: impl FnOnce(&mut wire::Backend), expected: &str) {
    let mut backend = good_backend();
    edit(&mut backend);
    check(wire::entry::Body::Backend(backend), expected);
}

#[track_caller]
fn check_virtual_server(edit: impl FnOnce(&mut wire::VirtualServer), expected: &str) {
    let mut virtual_server = good_virtual_server();
    edit(&mut virtual_server);
    check(wire::entry::Body::VirtualServer(virtual_server), expected);
}

#[track_caller]
fn check(body: wire::entry::Body, expected: &str) {
    let result = Entry::try_from(wire::Entry { body: Some(body) });
    assert_eq!(result.map(|_| ()).map_err(|e| e.to_string()).err().unwrap_or_default(), expected);
}

#[test]
fn an_entry_without_a_body_is_refused() {
    let error = Entry::try_from(wire::Entry::default()).unwrap_err();
    assert_eq!(error.to_string(), "body: is required");
}

#[test]
fn the_error_names_the_field_of_a_backend() {
    check_backend(|_| (), "");
    check_backend(|b| b.id.clear(), "id: must not be empty");
    check_backend(|b| b.id = "a\nb".into(), "id: must not contain control characters");
    check_backend(|b| b.workload.clear(), "workload: must not be empty");
    check_backend(|b| b.locality = 0, "locality: unknown value 0");
    check_backend(|b| b.transport = 9, "transport: unknown value 9");
    check_backend(|b| b.egress = 0, "egress: unknown value 0");
    check_backend(|b| b.authority.clear(), "authority: must not be empty");
    check_backend(|b| b.authority = "a/b".into(), "authority: must be host or host:port");
    check_backend(|b| b.authority = "u@a".into(), "authority: must be host or host:port");
    check_backend(|b| b.authority = "a\r\nx: y".into(), "authority: must be host or host:port");
    check_backend(|b| b.path = "mcp".into(), "path: must begin with '/'");
    check_backend(|b| b.path.clear(), "path: must begin with '/'");
    let path = "path: must not contain spaces, control or non-ASCII characters";
    check_backend(|b| b.path = "/a HTTP/1.1\r\n".into(), path);
    check_backend(
        |b| b.endpoints.push(wire::Endpoint { draining: true, ..b.endpoints[0].clone() }),
        "endpoints[1]: is a duplicate",
    );
    check_backend(|b| b.endpoints[0].port = 0, "endpoints[0].port: must be a port from 1 to 65535, not 0");
    check_backend(
        |b| b.endpoints[0].port = 65_536,
        "endpoints[0].port: must be a port from 1 to 65535, not 65536",
    );
    let host = "endpoints[0].host: must be an IP address without brackets or a DNS name";
    check_backend(|b| b.endpoints[0].host = "[::1]".into(), host);
    check_backend(|b| b.endpoints[0].host = "a b".into(), host);
    check_backend(|b| b.outgoing_auth = None, "outgoing_auth: is required");
    check_backend(
        |b| b.outgoing_auth = Some(wire::OutgoingAuth { kind: None }),
        "outgoing_auth.kind: is required",
    );
}

#[test]
fn headers_cannot_break_out_of_their_line_or_frame_a_message() {
    let with = |name: &str, value: &str| {
        let header = wire::Header { name: name.into(), value: value.into() };
        move |b: &mut wire::Backend| b.headers.push(header)
    };
    check_backend(with("x-a", "b c\td"), "");
    let name = "headers[0].name: must be a header name in lower case";
    for bad in ["", "X-A", "a b", "a:", "a\r", "\u{e9}"] {
        check_backend(with(bad, "v"), name);
    }
    let value = "headers[0].value: must be visible ASCII, spaces and tabs";
    for bad in ["a\r\nb", "a\nb", "\0", "\u{7f}", "\u{e9}"] {
        check_backend(with("x-a", bad), value);
    }
    let framing = "headers[0].name: must not be a header that frames messages or belongs to the connection";
    for bad in ["content-length", "transfer-encoding", "host", "connection", "upgrade", "te"] {
        check_backend(with(bad, "v"), framing);
    }
    check_virtual_server(
        |v| v.passthrough_headers = vec!["x-a".into(), "content-length".into()],
        "passthrough_headers[1]: must not be a header that frames messages or belongs to the connection",
    );
}

#[test]
fn the_error_names_the_field_of_a_virtual_server() {
    check_virtual_server(|_| (), "");
    check_virtual_server(|v| v.namespace.clear(), "namespace: must not be empty");
    check_virtual_server(|v| v.name = "a/b".into(), "name: must not contain '/'");
    check_virtual_server(|v| v.server_name.clear(), "server_name: must not be empty");
    check_virtual_server(|v| v.group.clear(), "group: must not be empty");
    check_virtual_server(
        |v| v.members[2].call_timeout_ms = 0,
        "members[2].call_timeout_ms: must be greater than 0",
    );
    check_virtual_server(
        |v| v.members[2].call_timeout_ms = u64::MAX,
        "members[2].call_timeout_ms: must be at most 100 years",
    );
    check_virtual_server(|v| v.members[1].backend.clear(), "members[1].backend: must not be empty");
    check_virtual_server(|v| v.members.swap(0, 1), "members: must be sorted by workload, without duplicates");
    check_virtual_server(|v| v.status_interval_ms = 0, "status_interval_ms: must be greater than 0");
    check_virtual_server(|v| v.partial_failure = 0, "partial_failure: unknown value 0");
    check_virtual_server(|v| v.incoming_auth = None, "incoming_auth: is required");
    check_virtual_server(
        |v| v.incoming_auth = Some(wire::IncomingAuth { kind: None }),
        "incoming_auth.kind: is required",
    );
    let listen = "listen[0]: must be \"ip:port\" with a port from 1 to 65535";
    for bad in ["", "127.0.0.1", "localhost:80", "127.0.0.1:0", "127.0.0.1:65536"] {
        check_virtual_server(|v| v.listen = vec![bad.into()], listen);
    }
}

#[test]
fn the_error_names_the_field_of_a_policy() {
    fn health(v: &mut wire::VirtualServer) -> &mut wire::HealthPolicy {
        v.health.as_mut().unwrap()
    }
    fn aggregation(v: &mut wire::VirtualServer) -> &mut wire::Aggregation {
        v.aggregation.as_mut().unwrap()
    }
    let breaker = |failure_threshold, open_ms| {
        move |v: &mut wire::VirtualServer| {
            v.breaker = Some(wire::BreakerPolicy { failure_threshold, open_ms, per_tool: false });
        }
    };
    check_virtual_server(|v| v.health = None, "health: is required");
    check_virtual_server(|v| health(v).interval_ms = 0, "health.interval_ms: must be greater than 0");
    check_virtual_server(
        |v| health(v).timeout_ms = 30_000,
        "health.timeout_ms: must be smaller than interval_ms",
    );
    check_virtual_server(
        |v| health(v).unhealthy_threshold = 0,
        "health.unhealthy_threshold: must be greater than 0",
    );
    check_virtual_server(breaker(1, 1000), "");
    check_virtual_server(breaker(0, 1000), "breaker.failure_threshold: must be greater than 0");
    check_virtual_server(breaker(1, 999), "breaker.open_ms: must be at least 1000 ms");
    check_virtual_server(|v| v.aggregation = None, "aggregation: is required");
    check_virtual_server(
        |v| aggregation(v).conflict_resolution = None,
        "aggregation.conflict_resolution: is required",
    );
    check_virtual_server(
        |v| aggregation(v).default_visibility = 3,
        "aggregation.default_visibility: unknown value 3",
    );
    let tools = |overrides: &[&str]| wire::WorkloadTools {
        workload: "a".into(),
        overrides: overrides
            .iter()
            .map(|t| wire::ToolOverride { tool: (*t).into(), ..Default::default() })
            .collect(),
        ..Default::default()
    };
    check_virtual_server(
        |v| aggregation(v).tools = vec![tools(&["x", "y", "x"])],
        "aggregation.tools[0].overrides[2].tool: is a duplicate",
    );
    check_virtual_server(
        |v| aggregation(v).tools = vec![tools(&["x", ""])],
        "aggregation.tools[0].overrides[1].tool: must not be empty",
    );
    check_virtual_server(
        |v| aggregation(v).tools = vec![tools(&[]), tools(&[])],
        "aggregation.tools: must be sorted by workload, without duplicates",
    );
}

#[test]
fn a_key_is_a_kind_and_a_name() {
    let check = |kind: i32, name: &str, expected: Result<&str, &str>| {
        let key = EntryKey::try_from(wire::EntryKey { kind, name: name.into() });
        let actual = key.map(|k| k.to_string()).map_err(|e| e.to_string());
        assert_eq!(actual, expected.map(str::to_owned).map_err(str::to_owned));
    };
    check(1, "default/mcpserver/jira", Ok("backend default/mcpserver/jira"));
    check(2, "default/demo", Ok("virtual server default/demo"));
    check(2, "demo", Err("name: must be \"namespace/name\""));
    check(2, "a/b/c", Err("name: must be \"namespace/name\""));
    check(1, "", Err("name: must not be empty"));
    check(0, "a", Err("kind: unknown value 0"));
    check(3, "a", Err("kind: unknown value 3"));
}

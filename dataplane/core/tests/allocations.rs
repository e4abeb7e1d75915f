//! What the request path asks of this crate allocates nothing, or nothing but what it returns.

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use tidegate_dataplane_core::{
    Action, Binding, Catalog, Contribution, Endpoint, McpSession, ProtocolVersion, Routes, Sealer, classify,
    host_allowed, merge, origin_allowed,
};
use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::table::{
    Aggregation, BackendId, ConflictResolution, HealthPolicy, IncomingAuth, Member, PartialFailure, Timeouts,
    VirtualServer, VirtualServerId, Visibility,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations of `f`. The counters are those of the whole process: the other tests can add to them but never take
/// away, so the least of many runs is what `f` does.
fn measure(mut f: impl FnMut()) -> Stats {
    let run = |_| {
        let region = Region::new(ALLOCATOR);
        f();
        region.change()
    };
    (0..200).map(run).min_by_key(|s| (s.allocations, s.bytes_allocated)).expect("there were runs")
}

fn allocations(f: impl FnMut()) -> usize {
    measure(f).allocations
}

#[test]
fn routes_and_guards_allocate_nothing() {
    let ids: Vec<_> = (0..1000).map(|i| VirtualServerId::new("team", &format!("server-{i}"))).collect();
    let routes = Routes::new(ids.iter());
    let extra = ["https://app.example.com".to_owned()];
    let count = allocations(|| {
        let by_host = routes.select(b"VMCP-server-7.team.svc.cluster.local:4483", b"/mcp?x");
        assert_eq!(by_host, Ok((7, Endpoint::Mcp)));
        assert_eq!(routes.select(b"localhost:4483", b"/team/server-9/health"), Ok((9, Endpoint::Health)));
        assert!(routes.select(b"vmcp-absent", b"/mcp").is_err());
        assert_eq!(Routes::own_port(b"/status"), Some(Endpoint::Status));
        assert!(host_allowed(true, b"vmcp-server-7:4483", &extra, &routes));
        assert!(origin_allowed(b"https://app.example.com", b"[::1]:4483", &extra));
        assert_eq!(classify(Some(b"tools/call"), true), Action::ToolsCall);
        assert_eq!(ProtocolVersion::negotiate(b"2025-06-18"), ProtocolVersion::V2025_06_18);
    });
    assert_eq!(count, 0);
}

#[test]
fn a_tool_is_found_without_allocating() {
    let catalog = catalog(500);
    let count = allocations(|| {
        let tool = catalog.tool(b"github_tool-77").expect("exposed");
        assert_eq!((&*tool.native, &*tool.native_json), ("tool-77", &b"tool-77"[..]));
        assert!(catalog.tool(b"tool-77").is_none());
    });
    assert_eq!(count, 0);
}

#[test]
fn opening_a_token_allocates_the_session_alone() {
    let key = SessionKey { id: "2026-01".to_owned(), secret: [3; 32] };
    let sealer = Sealer::new(&KeyRing { keys: vec![key] });
    let id = VirtualServerId::new("team", "server");
    let binding = |i: u64| Binding {
        backend: i,
        session: b"0123456789abcdef0123456789abcdef".as_slice().into(),
        version: ProtocolVersion::LATEST,
        endpoint: None,
    };
    let session = McpSession {
        id: [1; 16],
        version: ProtocolVersion::LATEST,
        issued_unix: 10,
        expires_unix: 20,
        principal: b"issuer\0subject".as_slice().into(),
        client_info: br#"{"name":"client"}"#.as_slice().into(),
        bindings: (0..4).map(binding).collect(),
    };
    let token = sealer.seal(&id, &session, [5; 12]);
    let clone = measure(|| drop(session.clone()));
    let open = measure(|| assert!(sealer.open(&id, token.as_bytes(), 15).is_ok()));
    assert_eq!((open.allocations, open.bytes_allocated), (clone.allocations, clone.bytes_allocated));

    let forged = token.replace(&token[60..64], "AAAA");
    assert_eq!(allocations(|| assert!(sealer.open(&id, forged.as_bytes(), 15).is_err())), 0);
}

fn catalog(tools: usize) -> Catalog {
    let tools: Vec<_> = (0..tools).map(|i| format!(r#"{{"name":"tool-{i}"}}"#)).collect();
    let page = format!(r#"{{"tools":[{}]}}"#, tools.join(","));
    let contribution = Contribution::parse(&[page.into_bytes()]).expect("a page of tools");
    merge(&virtual_server(), &[Some(Arc::new(contribution))])
}

fn virtual_server() -> VirtualServer {
    VirtualServer {
        id: VirtualServerId::new("team", "server"),
        server_name: "server".to_owned(),
        group: "group".to_owned(),
        listen: Vec::new(),
        members: vec![Member {
            backend: BackendId::resource("team", "MCPServer", "github"),
            workload: "github".to_owned(),
            call_timeout: Duration::from_secs(30),
        }],
        aggregation: Aggregation {
            conflict_resolution: ConflictResolution::Prefix { format: "{workload}_".to_owned() },
            tools: Vec::new(),
            exclude_all_tools: false,
            default_visibility: Visibility::Allow,
        },
        health: HealthPolicy {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            unhealthy_threshold: 3,
            probe_remote: false,
        },
        breaker: None,
        partial_failure: PartialFailure::BestEffort,
        incoming_auth: IncomingAuth::Anonymous,
        passthrough_headers: Vec::new(),
        status_interval: Duration::from_secs(30),
        timeouts: Timeouts::default(),
        retry_idempotent: false,
        request_log: false,
    }
}

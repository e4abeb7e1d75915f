//! Tables of every shape, from a small alphabet so that tables resemble each other.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use tidegate_proto::table::*;

/// A table.
pub(crate) fn table() -> impl Strategy<Value = Table> {
    vec(entry(), 0..12).prop_map(|entries| {
        let mut table = Table::default();
        for entry in entries {
            table.insert(entry);
        }
        table
    })
}

/// One entry.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![backend().prop_map(Entry::Backend), virtual_server().prop_map(Entry::VirtualServer)]
}

fn backend() -> impl Strategy<Value = Backend> {
    let endpoints = btree_map((select(&["10.0.0.1", "::1", "a.example"]), 1u16..), any::<bool>(), 0..3);
    let endpoints = endpoints.prop_map(|map| {
        let endpoint = |((host, port), draining)| Endpoint { host, port, draining };
        map.into_iter().map(endpoint).collect::<Vec<_>>()
    });
    let header = (select(&["x-a", "authorization"]), select(&["", "v w", "\tz"]))
        .prop_map(|(name, value)| Header { name, value });
    (
        backend_id(),
        name(),
        any::<(bool, bool, bool)>(),
        select(&["a.example", "a.example:80", "[::1]:80"]),
        select(&["/", "/mcp", "/x?y=1"]),
        endpoints,
        vec(header, 0..3),
        prop_oneof![Just(Egress::Any), Just(Egress::NoLoopback), Just(Egress::Public)],
        (1u32.., 1u32.., any::<u32>()),
    )
        .prop_map(
            |(id, workload, (local, sse, tls), authority, path, endpoints, headers, egress, limits)| {
                Backend {
                    id,
                    workload,
                    locality: if local { Locality::Local } else { Locality::Remote },
                    transport: if sse { Transport::Sse } else { Transport::StreamableHttp },
                    tls,
                    authority,
                    path,
                    endpoints,
                    outgoing_auth: OutgoingAuth::Unauthenticated,
                    headers,
                    egress,
                    limits: Limits { connections: limits.0, requests: limits.1, pending: limits.2 },
                }
            },
        )
}

fn virtual_server() -> impl Strategy<Value = VirtualServer> {
    let listen = any::<(bool, u8)>().prop_map(|(six, port)| {
        let ip = if six { "[::1]" } else { "127.0.0.1" };
        format!("{ip}:{}", u16::from(port) + 1).parse::<SocketAddr>().unwrap()
    });
    let members = btree_map((name(), backend_id()), duration(), 0..4).prop_map(|members| {
        let member = |((workload, backend), call_timeout)| Member { backend, workload, call_timeout };
        members.into_iter().map(member).collect::<Vec<_>>()
    });
    (
        (name(), name(), name(), name()),
        vec(listen, 0..2),
        members,
        aggregation(),
        (duration(), duration(), 1u32..9, any::<bool>()),
        of((1u32..9, 1000u64..90_000, any::<bool>())),
        any::<(bool, bool, bool)>(),
        vec(select(&["x-a", "x-b"]), 0..3),
        (duration(), duration(), of(duration()), btree_map(name(), duration(), 0..3)),
    )
        .prop_map(
            |(names, listen, members, aggregation, health, breaker, flags, passthrough_headers, bounds)| {
                let (timeout, more, unhealthy_threshold, probe_remote) = health;
                let breaker = breaker.map(|(failure_threshold, ms, per_tool)| BreakerPolicy {
                    failure_threshold,
                    open_for: Duration::from_millis(ms),
                    per_tool,
                });
                VirtualServer {
                    id: VirtualServerId::new(&names.0, &names.1),
                    server_name: names.2,
                    group: names.3,
                    listen,
                    members,
                    aggregation,
                    health: HealthPolicy {
                        interval: timeout + more,
                        timeout,
                        unhealthy_threshold,
                        probe_remote,
                    },
                    breaker,
                    partial_failure: if flags.0 { PartialFailure::Fail } else { PartialFailure::BestEffort },
                    incoming_auth: IncomingAuth::Anonymous,
                    passthrough_headers,
                    status_interval: bounds.0,
                    timeouts: Timeouts { connect: bounds.1, idle: bounds.2, tools: bounds.3 },
                    retry_idempotent: flags.1,
                    request_log: flags.2,
                }
            },
        )
}

fn aggregation() -> impl Strategy<Value = Aggregation> {
    let resolution = prop_oneof![
        select(&["", "{workload}_", "x"]).prop_map(|format| ConflictResolution::Prefix { format }),
        vec(name(), 0..3).prop_map(|order| ConflictResolution::Priority { order }),
        Just(ConflictResolution::Manual),
    ];
    let tools = btree_set(name(), 0..3)
        .prop_flat_map(|names| names.into_iter().map(workload_tools).collect::<Vec<_>>());
    (resolution, tools, any::<(bool, bool)>()).prop_map(|(conflict_resolution, tools, (exclude, deny))| {
        Aggregation {
            conflict_resolution,
            tools,
            exclude_all_tools: exclude,
            default_visibility: if deny { Visibility::Deny } else { Visibility::Allow },
        }
    })
}

fn workload_tools(workload: String) -> impl Strategy<Value = WorkloadTools> {
    let annotations = (of(name()), any::<[Option<bool>; 4]>()).prop_map(|(title, hints)| ToolAnnotations {
        title,
        read_only_hint: hints[0],
        destructive_hint: hints[1],
        idempotent_hint: hints[2],
        open_world_hint: hints[3],
    });
    let replaced = (of(name()), of(select(&["", "two\nlines"])), of(annotations))
        .prop_map(|(name, description, annotations)| ToolOverride { name, description, annotations });
    (vec(name(), 0..3), btree_map(name(), replaced, 0..3), any::<bool>()).prop_map(
        move |(filter, overrides, exclude_all)| WorkloadTools {
            workload: workload.clone(),
            filter,
            overrides,
            exclude_all,
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    select(&["a", "b", "jira", "é"])
}

fn backend_id() -> impl Strategy<Value = BackendId> {
    name().prop_map(|n| BackendId::resource("default", "MCPServer", &n))
}

fn duration() -> impl Strategy<Value = Duration> {
    (1u64..100_000).prop_map(Duration::from_millis)
}

fn select(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(texts).prop_map(str::to_owned)
}

//! Tables that change a little each time; every virtual server refers to backends that are there.

use std::time::Duration;

use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::table::*;

use crate::random::Random;

const BACKENDS: usize = 5;
const VIRTUAL_SERVERS: usize = 4;

/// The next table: some entries are new, changed or gone.
pub(crate) fn change(table: &Table, random: &mut Random) -> Table {
    let mut next = table.clone();
    for _ in 0..1 + random.below(3) {
        let number = random.below(BACKENDS);
        if random.one_in(3) {
            next.entries.remove(&EntryKey::Backend(backend_id(number)));
        } else {
            next.insert(backend(number, random.below(50)));
        }
    }
    let backends: Vec<BackendId> = next.backends().map(|b| b.id.clone()).collect();
    for number in 0..VIRTUAL_SERVERS {
        let key = EntryKey::VirtualServer(virtual_server_id(number));
        let is_torn = match next.entries.get(&key).map(|e| &**e) {
            Some(Entry::VirtualServer(v)) => v.members.iter().any(|m| !backends.contains(&m.backend)),
            _ => false,
        };
        if random.one_in(6) {
            next.entries.remove(&key);
        } else if is_torn || random.one_in(3) {
            next.insert(virtual_server(number, &backends, random));
        }
    }
    next
}

/// A ring of one or two keys, never seen before.
pub(crate) fn ring(generation: u64) -> KeyRing {
    let key = |n: u64| SessionKey { id: format!("k{n}"), secret: [n as u8; 32] };
    let keys = (generation.saturating_sub(1)..=generation).rev().map(key);
    KeyRing { keys: keys.collect() }
}

fn backend_id(number: usize) -> BackendId {
    BackendId::resource("default", "MCPServer", &format!("b{number}"))
}

fn virtual_server_id(number: usize) -> VirtualServerId {
    VirtualServerId::new("default", &format!("v{number}"))
}

fn backend(number: usize, variant: usize) -> Entry {
    Entry::Backend(Backend {
        id: backend_id(number),
        workload: format!("b{number}"),
        locality: Locality::Local,
        transport: Transport::StreamableHttp,
        tls: false,
        authority: format!("b{number}:8080"),
        path: format!("/mcp/{variant}"),
        endpoints: vec![Endpoint { host: "127.0.0.1".into(), port: 8080, draining: false }],
        outgoing_auth: OutgoingAuth::Unauthenticated,
        headers: Vec::new(),
        egress: Egress::Any,
        limits: Limits::default(),
    })
}

fn virtual_server(number: usize, backends: &[BackendId], random: &mut Random) -> Entry {
    let ms = |random: &mut Random| Duration::from_millis(1 + random.below(1000) as u64);
    let chosen = backends.iter().filter(|_| random.one_in(2)).cloned().collect::<Vec<_>>();
    let members = chosen.into_iter().map(|backend| Member {
        workload: backend.to_string(),
        backend,
        call_timeout: ms(random),
    });
    Entry::VirtualServer(VirtualServer {
        id: virtual_server_id(number),
        server_name: format!("v{number}"),
        group: "all".into(),
        listen: Vec::new(),
        members: members.collect(),
        aggregation: Aggregation {
            conflict_resolution: ConflictResolution::Prefix { format: "{workload}_".into() },
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
    })
}

//! Small tables and messages.

use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::push::{PROTOCOL, Version};
use tidegate_proto::table::*;
use tidegate_proto::wire::{self, from_node, to_node};

/// A version with these backends (name and path) and virtual servers (name and member).
pub(crate) fn version(backends: &[(&str, &str)], virtual_servers: &[(&str, &str)]) -> Arc<Version> {
    Arc::new(Version::new(Arc::new(table(backends, virtual_servers))))
}

/// Likewise a table.
pub(crate) fn table(backends: &[(&str, &str)], virtual_servers: &[(&str, &str)]) -> Table {
    let mut table = Table::default();
    for (name, path) in backends {
        table.insert(backend(name, path));
    }
    for (name, member) in virtual_servers {
        table.insert(virtual_server(name, member));
    }
    table
}

pub(crate) fn backend_key(name: &str) -> EntryKey {
    EntryKey::Backend(BackendId::from_wire(name))
}

pub(crate) fn ring(id: &str) -> KeyRing {
    KeyRing { keys: vec![SessionKey { id: id.into(), secret: [1; 32] }] }
}

/// The hello of a node that holds this.
pub(crate) fn hello(holds: &Version) -> wire::Hello {
    let held = holds.digests().iter();
    wire::Hello {
        protocol: PROTOCOL,
        node: "n".into(),
        held: held.map(|(k, d)| wire::Held { key: Some(k.into()), digest: d.as_bytes().to_vec() }).collect(),
        ..Default::default()
    }
}

/// The verdicts on an update: all accepted but for one.
pub(crate) fn verdicts(update: &wire::Update, refused: Option<&EntryKey>) -> wire::Verdicts {
    let refused = refused.map(wire::EntryKey::from);
    let upserts = update.upserts.iter().filter_map(|u| u.key.clone());
    let keys = upserts.chain(update.removals.iter().cloned());
    let verdict = |key: wire::EntryKey| wire::Verdict {
        rejected: if refused.as_ref() == Some(&key) { "no".into() } else { String::new() },
        key: Some(key),
    };
    wire::Verdicts {
        nonce: update.nonce,
        version: update.version.clone(),
        entries: keys.map(verdict).collect(),
    }
}

/// The update that leads from nothing to this version.
pub(crate) fn update(nonce: u64, version: &Version) -> wire::Update {
    let upsert = |(key, entry): (&EntryKey, &Arc<Entry>)| wire::Upsert {
        key: Some(key.into()),
        digest: version.digests().get(key).expect("of the table").as_bytes().to_vec(),
        entry: Some((&**entry).into()),
    };
    wire::Update {
        nonce,
        version: version.id().as_bytes().to_vec(),
        upserts: version.table().entries.iter().map(upsert).collect(),
        ..Default::default()
    }
}

pub(crate) fn from_node(body: from_node::Body) -> wire::FromNode {
    wire::FromNode { body: Some(body) }
}

pub(crate) fn to_node(body: to_node::Body) -> wire::ToNode {
    wire::ToNode { body: Some(body) }
}

fn backend(name: &str, path: &str) -> Entry {
    Entry::Backend(Backend {
        id: BackendId::from_wire(name),
        workload: name.into(),
        locality: Locality::Local,
        transport: Transport::StreamableHttp,
        tls: false,
        authority: "a:80".into(),
        path: path.into(),
        endpoints: vec![Endpoint { host: "127.0.0.1".into(), port: 80, draining: false }],
        outgoing_auth: OutgoingAuth::Unauthenticated,
        headers: Vec::new(),
        egress: Egress::Any,
        limits: Limits::default(),
    })
}

fn virtual_server(name: &str, member: &str) -> Entry {
    let call_timeout = Duration::from_secs(30);
    Entry::VirtualServer(VirtualServer {
        id: VirtualServerId::new("d", name),
        server_name: name.into(),
        group: "g".into(),
        listen: Vec::new(),
        members: vec![Member {
            backend: BackendId::from_wire(member),
            workload: member.into(),
            call_timeout,
        }],
        aggregation: Aggregation {
            conflict_resolution: ConflictResolution::Manual,
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

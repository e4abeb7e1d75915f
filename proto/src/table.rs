//! The routing table: what both planes mean by a configuration. Validated, ordered, diffable.
//! No I/O, no clock, no wire types; [`crate::convert`] is the only door to bytes.

mod policy;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use std::collections::BTreeMap;

use imbl::OrdMap;
pub use policy::{BreakerPolicy, HealthPolicy, Limits, PartialFailure, Timeouts};

/// Everything that nodes serve, by key; the order of the keys is the canonical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Backends and virtual servers. A persistent map: tables that lead from one to the other share what did not change.
    pub entries: OrdMap<EntryKey, Arc<Entry>>,
}

/// The name of an entry, unique in a table. Backends sort before the virtual servers that refer to them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKey {
    /// A backend.
    Backend(BackendId),
    /// A virtual server.
    VirtualServer(VirtualServerId),
}

/// One item of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "always behind an `Arc` of its own")]
pub enum Entry {
    /// One MCP server as configured.
    Backend(Backend),
    /// One VirtualMCPServer as served.
    VirtualServer(VirtualServer),
}

/// Identity of a backend, stable over edits: state that outlives a snapshot is kept under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(Arc<str>);

/// Namespace and name of a VirtualMCPServer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualServerId {
    /// Kubernetes namespace.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

/// One MCP server as configured (spec 1.2 to 1.4, 1.5.3 `backends[]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Identity.
    pub id: BackendId,
    /// The resource name, as in `perWorkload` and `{workload}_`.
    pub workload: String,
    /// Local backends are always probed, remote ones only on request (spec 5.3).
    pub locality: Locality,
    /// How it speaks MCP.
    pub transport: Transport,
    /// TLS towards it.
    pub tls: bool,
    /// `host[:port]` as sent in `Host`.
    pub authority: String,
    /// Where MCP requests go; begins with `/`.
    pub path: String,
    /// Where to connect, no address twice; empty: no pod is ready, and calls are refused until one is.
    pub endpoints: Vec<Endpoint>,
    /// The credential to attach.
    pub outgoing_auth: OutgoingAuth,
    /// Plain headers to add to each request (`headerForward`).
    pub headers: Vec<Header>,
    /// Which addresses may be dialled.
    pub egress: Egress,
    /// What one node may have open towards it.
    pub limits: Limits,
}

/// Whether a backend runs beside the gateway or elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// An MCPServer.
    Local,
    /// An MCPRemoteProxy or MCPServerEntry.
    Remote,
}

/// A backend's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP (MCP 2025-03-26 and later).
    StreamableHttp,
    /// HTTP+SSE (MCP 2024-11-05).
    Sse,
}

/// Which resolved addresses may be dialled: the guard against SSRF, checked after name resolution (spec 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// Any: the operator named the address.
    Any,
    /// All but loopback, link-local and unspecified addresses.
    NoLoopback,
    /// Public addresses only.
    Public,
}

/// One address of a backend: an IP or a DNS name, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IP address (IPv6 without brackets) or DNS name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// It is about to go (a terminating pod that still serves): sessions that are there stay, new ones go elsewhere.
    pub draining: bool,
}

/// A header field with a checked name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// Visible ASCII, space and tab.
    pub value: String,
}

/// How requests to a backend are authenticated (spec 6.6). Backends whose strategy is not served are withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutgoingAuth {
    /// Nothing is attached.
    Unauthenticated,
}

/// One VirtualMCPServer as served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// Identity.
    pub id: VirtualServerId,
    /// `serverInfo.name` towards clients.
    pub server_name: String,
    /// Name of its MCPGroup.
    pub group: String,
    /// Addresses of its own, beside the shared port (`tidegate.dev/listen`).
    pub listen: Vec<SocketAddr>,
    /// Its backends, sorted by workload.
    pub members: Vec<Member>,
    /// How capabilities of the members become one list.
    pub aggregation: Aggregation,
    /// Probing and ejection.
    pub health: HealthPolicy,
    /// Absent: no circuit breaker.
    pub breaker: Option<BreakerPolicy>,
    /// What a missing backend does to a request that needs all of them.
    pub partial_failure: PartialFailure,
    /// Who may call.
    pub incoming_auth: IncomingAuth,
    /// Client headers that are copied to every backend, lower case.
    pub passthrough_headers: Vec<String>,
    /// How often status is reported.
    pub status_interval: Duration,
    /// Bounds beside that of whole calls.
    pub timeouts: Timeouts,
    /// May a call of a tool that is marked read-only or idempotent be sent again when its outcome is not known?
    pub retry_idempotent: bool,
    /// Log each request (`operational.logLevel: debug`).
    pub request_log: bool,
}

/// One backend as used by one virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which backend.
    pub backend: BackendId,
    /// Its name within this virtual server.
    pub workload: String,
    /// Bound of one whole backend request: `timeouts.perWorkload[workload]`, else `timeouts.default` (spec 5.7).
    pub call_timeout: Duration,
}

/// `spec.config.aggregation` (spec 4.3, 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// What happens to equal names.
    pub conflict_resolution: ConflictResolution,
    /// Settings per workload, sorted by workload.
    pub tools: Vec<WorkloadTools>,
    /// Advertise no backend tools.
    pub exclude_all_tools: bool,
    /// Visibility of workloads without an entry in `tools`.
    pub default_visibility: Visibility,
}

/// How tool names of several backends become unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConflictResolution {
    /// Every tool gets `format`, with `{workload}` replaced, before its name.
    Prefix {
        /// Literal text with `{workload}`.
        format: String,
    },
    /// The earliest in `order` keeps a contested name.
    Priority {
        /// Workload names.
        order: Vec<String>,
    },
    /// Contested names must be renamed by overrides.
    Manual,
}

/// Whether tools are advertised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Advertised.
    Allow,
    /// Hidden.
    Deny,
}

/// `aggregation.tools[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadTools {
    /// Whose tools.
    pub workload: String,
    /// Names to advertise; empty: all.
    pub filter: Vec<String>,
    /// Changes by native tool name.
    pub overrides: BTreeMap<String, ToolOverride>,
    /// Hide all.
    pub exclude_all: bool,
}

/// What replaces parts of a tool's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolOverride {
    /// Name before conflict resolution.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Hints.
    pub annotations: Option<ToolAnnotations>,
}

/// MCP tool annotations; absent ones stay the backend's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolAnnotations {
    /// Title for people.
    pub title: Option<String>,
    /// `readOnlyHint`
    pub read_only_hint: Option<bool>,
    /// `destructiveHint`
    pub destructive_hint: Option<bool>,
    /// `idempotentHint`
    pub idempotent_hint: Option<bool>,
    /// `openWorldHint`
    pub open_world_hint: Option<bool>,
}

/// Who may call a virtual server. Servers whose kind is not served are withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncomingAuth {
    /// Anybody.
    Anonymous,
}

impl BackendId {
    /// Identity of a backend that is a resource: `namespace/kind/name`, kind in lower case.
    pub fn resource(namespace: &str, kind: &str, name: &str) -> Self {
        Self(format!("{namespace}/{}/{name}", kind.to_ascii_lowercase()).into())
    }

    /// Identity of `config.backends[]` of one virtual server: `namespace/inline/virtual-server/name`.
    pub fn inline(virtual_server: &VirtualServerId, name: &str) -> Self {
        Self(format!("{}/inline/{}/{name}", virtual_server.namespace, virtual_server.name).into())
    }

    /// An identity read back from the wire or a file.
    pub fn from_wire(id: &str) -> Self {
        Self(id.into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VirtualServerId {
    /// From namespace and name.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// From `namespace/name`.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        (!namespace.is_empty() && !name.is_empty() && !name.contains('/')).then(|| Self::new(namespace, name))
    }
}

impl Entry {
    /// The key under which it stands in a table.
    pub fn key(&self) -> EntryKey {
        match self {
            Entry::Backend(b) => EntryKey::Backend(b.id.clone()),
            Entry::VirtualServer(v) => EntryKey::VirtualServer(v.id.clone()),
        }
    }
}

impl Table {
    /// Puts an entry under its own key.
    pub fn insert(&mut self, entry: Entry) -> Option<Arc<Entry>> {
        self.entries.insert(entry.key(), Arc::new(entry))
    }

    /// A backend by identity.
    pub fn backend(&self, id: &BackendId) -> Option<&Backend> {
        match self.entries.get(&EntryKey::Backend(id.clone())).map(|e| &**e) {
            Some(Entry::Backend(b)) => Some(b),
            _ => None,
        }
    }

    /// The virtual servers in order.
    pub fn virtual_servers(&self) -> impl Iterator<Item = &VirtualServer> {
        self.entries.values().filter_map(|e| match &**e {
            Entry::VirtualServer(v) => Some(v),
            Entry::Backend(_) => None,
        })
    }

    /// The backends in order.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        self.entries.values().filter_map(|e| match &**e {
            Entry::Backend(b) => Some(b),
            Entry::VirtualServer(_) => None,
        })
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for VirtualServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntryKey::Backend(id) => write!(f, "backend {id}"),
            EntryKey::VirtualServer(id) => write!(f, "virtual server {id}"),
        }
    }
}

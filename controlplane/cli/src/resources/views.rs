//! The output form of each kind: what `-o json` and `-o yaml` show. Its field names are a promise to scripts.

use serde::{Deserialize, Serialize};
use tidegate_controlplane_server::status::rfc3339;
use tidegate_proto::wire::{self, BackendHealth, BackendView, NodeView, StateReply, VirtualServerView};

use super::Kind;

/// An item of any kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Item {
    /// See [`VirtualServer`].
    VirtualServer(VirtualServer),
    /// See [`Backend`].
    Backend(Backend),
    /// See [`Tool`].
    Tool(Tool),
    /// See [`Node`].
    Node(Node),
}

/// A VirtualMCPServer as served.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VirtualServer {
    /// Its namespace.
    pub(crate) namespace: String,
    /// `metadata.name`.
    pub(crate) name: String,
    /// `Pending`, `Ready`, `Degraded` or `Failed`.
    pub(crate) phase: String,
    /// Why, for people.
    pub(crate) message: String,
    /// Where clients reach it.
    pub(crate) urls: Vec<String>,
    /// Name of its MCPGroup.
    pub(crate) group: String,
    /// Its Service's URL, as in `status.url`.
    pub(crate) url: String,
    /// How many backends are ready, wait for credentials, or are not probed (spec 1.5.5).
    pub(crate) backend_count: u32,
    /// Its backends, as in `status.discoveredBackends`.
    pub(crate) backends: Vec<Member>,
    /// As in `status.conditions`.
    pub(crate) conditions: Vec<Condition>,
    /// `metadata.generation` that this speaks of, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// What clients see.
    pub(crate) tools: Vec<Tool>,
    /// Tools left out, and why.
    pub(crate) conflicts: Vec<String>,
}

/// A backend within a virtual server, in its thresholds and with its breaker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Member {
    /// Its name within the virtual server; in `status.discoveredBackends` it is `name`.
    #[serde(alias = "name")]
    pub(crate) workload: String,
    /// Its identity in the table.
    pub(crate) id: String,
    /// Where it is.
    pub(crate) url: String,
    /// `ready`, `degraded`, `unavailable`, `unauthenticated`, `unknown`.
    pub(crate) status: String,
    /// Name of its MCPExternalAuthConfig.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) auth_config_ref: String,
    /// As in `unauthenticated`.
    pub(crate) auth_type: String,
    /// Why, for people.
    pub(crate) message: String,
    /// Of the last probe, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_health_check: Option<String>,
    /// The same, in milliseconds of Unix time; 0: never.
    #[serde(skip)]
    pub(crate) checked_unix_ms: u64,
    /// `closed`, `open`, `half-open`; absent: there is no breaker.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) circuit_breaker_state: String,
    /// When that last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) circuit_last_changed: Option<String>,
    /// Since the last success.
    pub(crate) consecutive_failures: u32,
    /// Protocol revision it speaks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) mcp_revision: String,
}

/// One of `status.conditions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Condition {
    /// Unique within an object.
    pub(crate) r#type: String,
    /// `True` or `False`.
    pub(crate) status: String,
    /// One word.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
    /// When the status last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_transition_time: Option<String>,
}

/// An MCP server as configured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Backend {
    /// Identity in the table.
    pub(crate) id: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// The resource's name.
    pub(crate) name: String,
    /// `MCPServer`, `MCPRemoteProxy`, `MCPServerEntry` or an inline one.
    pub(crate) kind: String,
    /// Where it listens.
    pub(crate) url: String,
    /// As in its manifest.
    pub(crate) transport: String,
    /// Name of its MCPGroup.
    pub(crate) group: String,
    /// `ready`, `degraded`, `unavailable`, `unauthenticated`, `unknown` (spec 1.5.5), or `withheld`.
    pub(crate) state: &'static str,
    /// Why, for people.
    pub(crate) message: String,
    /// Whether it is in the routing table.
    pub(crate) published: bool,
    /// How many tools it has.
    pub(crate) tools: u32,
    /// The protocol revision it speaks.
    pub(crate) protocol_version: String,
    /// What it calls itself.
    pub(crate) server_name: String,
    /// Time of the last check, in milliseconds of Unix time; 0: never.
    pub(crate) checked_unix_ms: u64,
    /// Of the resource, as in `status.conditions`.
    pub(crate) conditions: Vec<Condition>,
}

/// A tool as clients see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tool {
    /// Namespace of its virtual server.
    pub(crate) namespace: String,
    /// Its virtual server.
    pub(crate) virtual_server: String,
    /// Exposed name.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) backend: String,
    /// What the backend calls it.
    pub(crate) native_name: String,
    /// What it says of itself.
    pub(crate) description: String,
}

/// A data plane.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    /// Its stable name.
    pub(crate) name: String,
    /// Whether its stream is open.
    pub(crate) connected: bool,
    /// Digest of the table it serves, hex.
    pub(crate) version: String,
    /// Whether that is the published one.
    pub(crate) current: bool,
    /// Its shared port, as URL.
    pub(crate) listen: String,
    /// Of the binary.
    pub(crate) software_version: String,
    /// Since when, in milliseconds of Unix time.
    pub(crate) connected_unix_ms: u64,
    /// Entries it refused.
    pub(crate) rejections: Vec<Rejection>,
}

/// An entry that a node refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rejection {
    /// Which.
    pub(crate) key: String,
    /// Why.
    pub(crate) reason: String,
}

/// All items of a kind, sorted by namespace and name.
pub(crate) fn items(kind: Kind, state: &StateReply) -> Vec<Item> {
    let mut items: Vec<Item> = match kind {
        Kind::VirtualServers => {
            state.virtual_servers.iter().map(|v| Item::VirtualServer(VirtualServer::from(v))).collect()
        }
        Kind::Backends => state.backends.iter().map(|b| Item::Backend(Backend::from(b))).collect(),
        Kind::Tools => state.virtual_servers.iter().flat_map(tools).map(Item::Tool).collect(),
        Kind::Nodes => state.nodes.iter().map(|n| Item::Node(Node::from(n))).collect(),
    };
    items.sort_by_cached_key(Item::key);
    items
}

impl Item {
    /// Its namespace; nodes have none.
    pub(crate) fn namespace(&self) -> &str {
        match self {
            Item::VirtualServer(item) => &item.namespace,
            Item::Backend(item) => &item.namespace,
            Item::Tool(item) => &item.namespace,
            Item::Node(_) => "",
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Item::VirtualServer(item) => &item.name,
            Item::Backend(item) => &item.name,
            Item::Tool(item) => &item.name,
            Item::Node(item) => &item.name,
        }
    }

    /// What makes it unique within its kind, in the order of lists.
    pub(crate) fn key(&self) -> (String, String, String) {
        let rest = match self {
            Item::VirtualServer(_) | Item::Node(_) => "",
            Item::Backend(item) => &item.id,
            Item::Tool(item) => &item.virtual_server,
        };
        (self.namespace().into(), self.name().into(), rest.into())
    }
}

impl From<&VirtualServerView> for VirtualServer {
    fn from(view: &VirtualServerView) -> Self {
        let ids = view.backend_ids.iter().map(String::as_str).chain(std::iter::repeat(""));
        let member = |(workload, id): (&String, &str)| {
            let found = view.discovered.iter().find(|found| found.name == *workload);
            Member {
                workload: workload.clone(),
                id: id.into(),
                ..found.map(Member::from).unwrap_or_default()
            }
        };
        Self {
            namespace: view.namespace.clone(),
            name: view.name.clone(),
            phase: view.phase.clone(),
            message: view.message.clone(),
            urls: view.urls.clone(),
            group: view.group.clone(),
            url: view.service_url.clone(),
            backend_count: view.backend_count,
            backends: view.workloads.iter().zip(ids).map(member).collect(),
            conditions: view.conditions.iter().map(Condition::from).collect(),
            observed_generation: Some(view.observed_generation).filter(|generation| *generation > 0),
            tools: tools(view).collect(),
            conflicts: view.conflicts.clone(),
        }
    }
}

impl From<&wire::DiscoveredBackend> for Member {
    fn from(found: &wire::DiscoveredBackend) -> Self {
        Self {
            workload: found.name.clone(),
            id: String::new(),
            url: found.url.clone(),
            status: found.status.clone(),
            auth_config_ref: found.auth_config_ref.clone(),
            auth_type: found.auth_type.clone(),
            message: found.message.clone(),
            last_health_check: rfc3339(found.checked_unix_ms),
            checked_unix_ms: found.checked_unix_ms,
            circuit_breaker_state: found.breaker.clone(),
            circuit_last_changed: rfc3339(found.breaker_changed_unix_ms),
            consecutive_failures: found.consecutive_failures,
            mcp_revision: found.mcp_revision.clone(),
        }
    }
}

impl From<&wire::Condition> for Condition {
    fn from(condition: &wire::Condition) -> Self {
        Self {
            r#type: condition.r#type.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            last_transition_time: rfc3339(condition.last_transition_unix_ms),
        }
    }
}

impl From<&BackendView> for Backend {
    fn from(view: &BackendView) -> Self {
        let state = view.state.clone().unwrap_or_default();
        let message = if view.message.is_empty() { &state.message } else { &view.message };
        Self {
            id: view.id.clone(),
            namespace: view.namespace.clone(),
            name: view.name.clone(),
            kind: view.kind.clone(),
            url: view.url.clone(),
            transport: view.transport.clone(),
            group: view.group.clone(),
            state: if view.published { word(state.health()) } else { "withheld" },
            message: message.clone(),
            published: view.published,
            tools: state.tools,
            protocol_version: state.protocol_version,
            server_name: state.server_name,
            checked_unix_ms: state.checked_unix_ms,
            conditions: view.conditions.iter().map(Condition::from).collect(),
        }
    }
}

impl From<&NodeView> for Node {
    fn from(view: &NodeView) -> Self {
        let rejection =
            |r: &tidegate_proto::wire::Rejection| Rejection { key: r.key.clone(), reason: r.reason.clone() };
        Self {
            name: view.name.clone(),
            connected: view.connected,
            version: view.version.clone(),
            current: view.current,
            listen: view.listen.clone(),
            software_version: view.software_version.clone(),
            connected_unix_ms: view.connected_unix_ms,
            rejections: view.rejections.iter().map(rejection).collect(),
        }
    }
}

fn tools(view: &VirtualServerView) -> impl Iterator<Item = Tool> + '_ {
    view.tools.iter().map(|tool| Tool {
        namespace: view.namespace.clone(),
        virtual_server: view.name.clone(),
        name: tool.name.clone(),
        backend: tool.backend.clone(),
        native_name: tool.native_name.clone(),
        description: tool.description.clone(),
    })
}

/// The words of the CRD's status (spec 2.6.6).
fn word(health: BackendHealth) -> &'static str {
    match health {
        BackendHealth::Healthy => "ready",
        BackendHealth::Degraded => "degraded",
        BackendHealth::Unhealthy => "unavailable",
        BackendHealth::Unauthenticated => "unauthenticated",
        BackendHealth::Unknown | BackendHealth::Unspecified => "unknown",
    }
}

//! Kinds, names and metadata (spec 1.0).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

/// The API group of all kinds here.
pub const GROUP: &str = "toolhive.stacklok.dev";
/// The versions that are read; their schemas are the same.
pub const VERSIONS: [&str; 2] = ["v1beta1", "v1alpha1"];
/// Where objects without `metadata.namespace` are.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A kind of the group. Backends sort before what refers to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A set of backends (spec 1.1).
    McpGroup,
    /// A backend run in the cluster or beside the gateway (spec 1.2).
    McpServer,
    /// A backend elsewhere, formerly behind a proxy pod (spec 1.3).
    McpRemoteProxy,
    /// A backend elsewhere (spec 1.4).
    McpServerEntry,
    /// One endpoint that aggregates a group (spec 1.5).
    VirtualMcpServer,
    /// A composite tool that virtual servers share (spec 1.6).
    VirtualMcpCompositeToolDefinition,
    /// OIDC settings that servers share (spec 1.7).
    McpOidcConfig,
    /// A credential for backends (spec 1.8).
    McpExternalAuthConfig,
    /// Policies that servers share (spec 1.9).
    McpAuthzConfig,
    /// Filter and renaming of tools (spec 1.10).
    McpToolConfig,
    /// Where traces and metrics go (spec 1.11).
    McpTelemetryConfig,
    /// A kind of the group that exists but is not served.
    Opaque(&'static str),
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// `metadata.namespace`, or `default`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

/// `metadata`. What has no meaning here is accepted and kept as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ObjectMeta {
    /// Name, unique per kind and namespace.
    pub name: String,
    /// Namespace; empty: `default`.
    pub namespace: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations; `tidegate.dev/*` are read.
    pub annotations: BTreeMap<String, String>,
    /// Counts edits of the spec; 0 outside a cluster.
    pub generation: i64,
    /// Set by the API server.
    pub uid: Option<String>,
    /// Set by the API server.
    pub resource_version: Option<String>,
    /// Set by the API server.
    pub creation_timestamp: Option<Value>,
    /// Set by the API server.
    pub deletion_timestamp: Option<Value>,
    /// Set by the API server.
    pub deletion_grace_period_seconds: Option<i64>,
    /// Controllers that hold deletion.
    pub finalizers: Vec<String>,
    /// Owners.
    pub owner_references: Vec<Value>,
    /// Server-side apply's records.
    pub managed_fields: Vec<Value>,
    /// Prefix for generated names.
    pub generate_name: Option<String>,
    /// Obsolete.
    pub self_link: Option<String>,
}

/// Kinds of the group that are known by name only (spec 1.12 to 1.14).
const OPAQUE: [&str; 3] = ["EmbeddingServer", "MCPRegistry", "MCPWebhookConfig"];

impl Kind {
    /// The kinds that are served.
    pub const SERVED: [Kind; 11] = [
        Kind::McpGroup,
        Kind::McpServer,
        Kind::McpRemoteProxy,
        Kind::McpServerEntry,
        Kind::VirtualMcpServer,
        Kind::VirtualMcpCompositeToolDefinition,
        Kind::McpOidcConfig,
        Kind::McpExternalAuthConfig,
        Kind::McpAuthzConfig,
        Kind::McpToolConfig,
        Kind::McpTelemetryConfig,
    ];
    /// The kinds that are backends.
    pub const BACKENDS: [Kind; 3] = [Kind::McpServer, Kind::McpRemoteProxy, Kind::McpServerEntry];

    /// As in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::McpGroup => "MCPGroup",
            Kind::McpServer => "MCPServer",
            Kind::McpRemoteProxy => "MCPRemoteProxy",
            Kind::McpServerEntry => "MCPServerEntry",
            Kind::VirtualMcpServer => "VirtualMCPServer",
            Kind::VirtualMcpCompositeToolDefinition => "VirtualMCPCompositeToolDefinition",
            Kind::McpOidcConfig => "MCPOIDCConfig",
            Kind::McpExternalAuthConfig => "MCPExternalAuthConfig",
            Kind::McpAuthzConfig => "MCPAuthzConfig",
            Kind::McpToolConfig => "MCPToolConfig",
            Kind::McpTelemetryConfig => "MCPTelemetryConfig",
            Kind::Opaque(name) => name,
        }
    }

    /// As in the URLs of an API server: `mcpgroups`.
    pub fn plural(self) -> String {
        let singular = self.singular();
        match singular.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{singular}s"),
        }
    }

    /// As `kubectl` also takes it: `mcpgroup`.
    pub fn singular(self) -> String {
        self.as_str().to_ascii_lowercase()
    }

    /// The kind of that name, if the group has it.
    pub fn parse(text: &str) -> Option<Kind> {
        let served = Kind::SERVED.into_iter().find(|kind| kind.as_str() == text);
        served.or_else(|| OPAQUE.into_iter().find(|name| *name == text).map(Kind::Opaque))
    }

    /// Names of all kinds of the group.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Kind::SERVED.into_iter().map(Kind::as_str).chain(OPAQUE)
    }

    /// Whether objects of this kind are backends.
    pub fn is_backend(self) -> bool {
        Kind::BACKENDS.contains(&self)
    }
}

impl ObjectRef {
    /// From its three parts.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// Another object of the same namespace.
    pub fn sibling(&self, kind: Kind, name: &str) -> Self {
        Self { kind, namespace: Arc::clone(&self.namespace), name: name.into() }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

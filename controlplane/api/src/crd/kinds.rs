//! What a CRD says of each kind beside its fields: short names and the columns of `kubectl get` (spec 1.1 to 1.11).

use serde::Serialize;
use serde_json::Value;

use super::schema::{of, optional, required};
use super::status::{
    CompositeToolDefinitionStatus, ConfigStatus, McpGroupStatus, McpRemoteProxyStatus, McpServerEntryStatus,
    McpServerStatus, VirtualMcpServerStatus,
};
use crate::meta::Kind;
use crate::types::{
    CompositeTool, McpAuthzConfigSpec, McpExternalAuthConfigSpec, McpGroupSpec, McpOidcConfigSpec,
    McpRemoteProxySpec, McpServerEntrySpec, McpServerSpec, McpTelemetryConfigSpec, McpToolConfigSpec,
    VirtualMcpServerSpec,
};

/// One kind.
pub(super) struct Definition {
    pub(super) spec: Spec,
    pub(super) status: Value,
    pub(super) short_names: &'static [&'static str],
    pub(super) columns: Vec<Column>,
}

/// The schema of `spec`.
pub(super) struct Spec {
    pub(super) schema: Value,
    /// Whether an object without a spec says nothing.
    pub(super) required: bool,
}

/// A column of `kubectl get`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Column {
    name: &'static str,
    r#type: &'static str,
    json_path: String,
}

impl Definition {
    pub(super) fn of(kind: Kind) -> Option<Self> {
        let (spec, status) = schemas(kind)?;
        Some(Self { spec, status, short_names: short_names(kind), columns: columns(kind) })
    }
}

fn schemas(kind: Kind) -> Option<(Spec, Value)> {
    Some(match kind {
        Kind::McpGroup => (optional::<McpGroupSpec>(), of::<McpGroupStatus>()),
        Kind::McpServer => (required::<McpServerSpec>(), of::<McpServerStatus>()),
        Kind::McpRemoteProxy => (required::<McpRemoteProxySpec>(), of::<McpRemoteProxyStatus>()),
        Kind::McpServerEntry => (required::<McpServerEntrySpec>(), of::<McpServerEntryStatus>()),
        Kind::VirtualMcpServer => (required::<VirtualMcpServerSpec>(), of::<VirtualMcpServerStatus>()),
        Kind::VirtualMcpCompositeToolDefinition => {
            (required::<CompositeTool>(), of::<CompositeToolDefinitionStatus>())
        }
        Kind::McpOidcConfig => (required::<McpOidcConfigSpec>(), of::<ConfigStatus>()),
        Kind::McpExternalAuthConfig => (required::<McpExternalAuthConfigSpec>(), of::<ConfigStatus>()),
        Kind::McpAuthzConfig => (required::<McpAuthzConfigSpec>(), of::<ConfigStatus>()),
        Kind::McpToolConfig => (optional::<McpToolConfigSpec>(), of::<ConfigStatus>()),
        Kind::McpTelemetryConfig => (optional::<McpTelemetryConfigSpec>(), of::<ConfigStatus>()),
        Kind::Opaque(_) => return None,
    })
}

pub(super) fn short_names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::McpGroup => &["mcpg", "mcpgroup"],
        Kind::McpServer => &["mcpserver", "mcpservers"],
        Kind::McpRemoteProxy => &["rp", "mcprp"],
        Kind::McpServerEntry => &["mcpentry"],
        Kind::VirtualMcpServer => &["vmcp", "virtualmcp"],
        Kind::VirtualMcpCompositeToolDefinition => &["vmcpctd", "compositetool"],
        Kind::McpOidcConfig => &["mcpoidc"],
        Kind::McpExternalAuthConfig => &["extauth", "mcpextauth"],
        Kind::McpAuthzConfig => &["authzcfg"],
        Kind::McpToolConfig => &["tc", "toolconfig"],
        Kind::McpTelemetryConfig => &["mcpotel"],
        Kind::Opaque(_) => &[],
    }
}

fn columns(kind: Kind) -> Vec<Column> {
    let phase = || text("Phase", ".status.phase");
    let remote = || text("Remote URL", ".spec.remoteUrl");
    let url = || text("URL", ".status.url");
    let ready = || condition("Ready", "Ready");
    let valid = || condition("Valid", "Valid");
    match kind {
        Kind::McpGroup => vec![
            number("Servers", ".status.serverCount"),
            number("Proxies", ".status.remoteProxyCount"),
            phase(),
            condition("Checked", "MCPServersChecked"),
            age(),
        ],
        Kind::McpServer => {
            let replicas = number("Replicas", ".status.readyReplicas");
            vec![text("Status", ".status.phase"), ready(), replicas, url(), age()]
        }
        Kind::McpRemoteProxy => vec![phase(), remote(), url(), ready(), age()],
        Kind::McpServerEntry => {
            let (transport, group) =
                (text("Transport", ".spec.transport"), text("Group", ".spec.groupRef.name"));
            vec![phase(), transport, remote(), group, age()]
        }
        Kind::VirtualMcpServer => {
            vec![phase(), url(), number("Backends", ".status.backendCount"), age(), ready()]
        }
        Kind::VirtualMcpCompositeToolDefinition => {
            let (workflow, status) =
                (text("Workflow", ".spec.name"), text("Status", ".status.validationStatus"));
            vec![workflow, status, age(), ready()]
        }
        Kind::McpOidcConfig => vec![text("Source", ".spec.type"), valid(), age()],
        Kind::McpExternalAuthConfig | Kind::McpAuthzConfig => {
            vec![text("Type", ".spec.type"), valid(), age()]
        }
        Kind::McpToolConfig => vec![valid(), age()],
        Kind::McpTelemetryConfig => {
            let signal =
                |name, path: &str| column(name, "boolean", format!(".spec.openTelemetry.{path}.enabled"));
            let endpoint = text("Endpoint", ".spec.openTelemetry.endpoint");
            vec![endpoint, valid(), signal("Tracing", "tracing"), signal("Metrics", "metrics"), age()]
        }
        Kind::Opaque(_) => Vec::new(),
    }
}

fn text(name: &'static str, path: &str) -> Column {
    column(name, "string", path.to_owned())
}

fn number(name: &'static str, path: &str) -> Column {
    column(name, "integer", path.to_owned())
}

fn condition(name: &'static str, condition: &str) -> Column {
    column(name, "string", format!(".status.conditions[?(@.type=='{condition}')].status"))
}

fn age() -> Column {
    column("Age", "date", ".metadata.creationTimestamp".to_owned())
}

fn column(name: &'static str, r#type: &'static str, json_path: String) -> Column {
    Column { name, r#type, json_path }
}

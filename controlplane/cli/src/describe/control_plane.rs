//! Descriptions of what a running control plane shows.

use anyhow::bail;
use tidegate_proto::wire::{Diagnostic, StateReply};

use super::DescribeArgs;
use super::page::Page;
use crate::get::only_view;
use crate::inspect::Address;
use crate::output::print;
use crate::resources::{Backend, Item, Kind, Node, VirtualServer, items};

/// Describes all items of the names (backends of several kinds may share one).
pub(super) async fn run(args: &DescribeArgs, address: &Address) -> anyhow::Result<()> {
    let kind = only_view(&args.asked)?;
    if kind == Kind::Tools {
        bail!("tools are listed, not described\n  help: `tidegate get tools -o yaml` shows all there is");
    }
    let state = address.states(false).await?.first().await?;
    let view = View { state: &state, page: Page::new() };
    let mut texts = Vec::new();
    for name in &args.names {
        let found = args.selection.wanted(kind, Some(name)).choose(&items(kind, &state))?;
        texts.extend(found.iter().map(|item| view.describe(item)));
    }
    print(&texts.join("\n"))
}

/// A state, and how it is drawn.
struct View<'a> {
    state: &'a StateReply,
    page: Page,
}

impl View<'_> {
    fn describe(&self, item: &Item) -> String {
        match item {
            Item::VirtualServer(item) => self.virtual_server(item),
            Item::Backend(item) => self.backend(item),
            Item::Node(item) => self.node(item),
            Item::Tool(_) => String::new(),
        }
    }

    fn virtual_server(&self, item: &VirtualServer) -> String {
        let backends: Vec<Backend> = self.state.backends.iter().map(Backend::from).collect();
        let text = self.page.virtual_server(item, &[], Some(&backends));
        text + &self.diagnostics(&format!("VirtualMCPServer {}/{}", item.namespace, item.name))
    }

    fn backend(&self, item: &Backend) -> String {
        let users: Vec<String> = self
            .state
            .virtual_servers
            .iter()
            .filter(|server| server.backend_ids.contains(&item.id))
            .map(|server| format!("{}/{}", server.namespace, server.name))
            .collect();
        let text = self.page.fields(&[
            ("Name", &item.name),
            ("Namespace", &item.namespace),
            ("Kind", &item.kind),
            ("Id", &item.id),
            ("Group", &item.group),
            ("State", item.state),
            ("Message", &item.message),
            ("Checked", &self.page.ago(item.checked_unix_ms)),
            ("URL", &item.url),
            ("Transport", &item.transport),
            ("Server", &item.server_name),
            ("Protocol", &item.protocol_version),
            ("Tools", &item.tools.to_string()),
            ("Used by", &users.join("\n")),
        ]);
        let text = text + &self.page.conditions(&item.conditions);
        text + &self.diagnostics(&format!("{} {}/{}", item.kind, item.namespace, item.name))
    }

    fn node(&self, item: &Node) -> String {
        let since = self.page.ago(item.connected_unix_ms);
        let rejections: Vec<String> =
            item.rejections.iter().map(|entry| format!("{}: {}", entry.key, entry.reason)).collect();
        let text = self.page.fields(&[
            ("Name", &item.name),
            ("Status", if item.connected { "Connected" } else { "Disconnected" }),
            ("Since", if item.connected { &since } else { "" }),
            ("Listen", &item.listen),
            ("Software", &item.software_version),
            ("Version", &item.version),
            ("Current", if item.current { "yes" } else { "no" }),
        ]);
        text + &self.page.list("Rejected entries", &rejections)
    }

    fn diagnostics(&self, object: &str) -> String {
        let of_object = self.state.diagnostics.iter().filter(|diagnostic| diagnostic.object == object);
        self.page.list("Diagnostics", &of_object.map(diagnostic_line).collect::<Vec<_>>())
    }
}

fn diagnostic_line(diagnostic: &Diagnostic) -> String {
    let Diagnostic { severity, code, file, line, column, field, message, remedy, .. } = diagnostic;
    let place = if file.is_empty() { String::new() } else { format!("{file}:{line}:{column}: ") };
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("{place}{severity}[{code}]: {field}{message}; remedy: {remedy}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use tidegate_proto::wire::{
        BackendHealth, BackendState, BackendView, Condition, DiscoveredBackend, NodeView, Rejection,
        VirtualServerView,
    };

    use super::*;
    use crate::paint::Paint;

    fn state() -> StateReply {
        StateReply {
            virtual_servers: vec![VirtualServerView {
                namespace: "default".into(),
                name: "demo".into(),
                phase: "Degraded".into(),
                message: "0/1 backends routable".into(),
                urls: vec!["http://a/mcp".into(), "http://b/mcp".into()],
                workloads: vec!["clock".into()],
                backend_ids: vec!["default/mcpserver/clock".into()],
                group: "tools".into(),
                service_url: "http://vmcp-demo.default.svc.cluster.local:4483".into(),
                discovered: vec![DiscoveredBackend {
                    name: "clock".into(),
                    url: "http://127.0.0.1:9/mcp".into(),
                    status: "unavailable".into(),
                    message: "Circuit breaker OPEN - Connection failed".into(),
                    checked_unix_ms: 5_000,
                    breaker: "open".into(),
                    consecutive_failures: 4,
                    ..Default::default()
                }],
                conditions: vec![Condition {
                    r#type: "Ready".into(),
                    status: "False".into(),
                    reason: "NoRoutableBackends".into(),
                    message: "No routable backends available".into(),
                    last_transition_unix_ms: 1_780_000_000_000,
                }],
                conflicts: vec!["now: clock and watch".into()],
                ..Default::default()
            }],
            backends: vec![BackendView {
                id: "default/mcpserver/clock".into(),
                namespace: "default".into(),
                name: "clock".into(),
                kind: "MCPServer".into(),
                published: true,
                state: Some(BackendState {
                    health: BackendHealth::Degraded.into(),
                    checked_unix_ms: 5_000,
                    ..Default::default()
                }),
                ..Default::default()
            }],
            nodes: vec![NodeView {
                name: "laptop".into(),
                rejections: vec![Rejection { key: "backend x".into(), reason: "port 0".into() }],
                ..Default::default()
            }],
            diagnostics: vec![Diagnostic {
                severity: "warning".into(),
                code: "not-served".into(),
                object: "VirtualMCPServer default/demo".into(),
                file: "a.yaml".into(),
                line: 3,
                column: 5,
                field: "spec.x".into(),
                message: "is not served yet".into(),
                remedy: "remove it".into(),
            }],
            ..Default::default()
        }
    }

    fn check(kind: Kind, expected: &str) {
        let state = state();
        let page = Page { paint: Paint::off(), now: UNIX_EPOCH + Duration::from_secs(65) };
        let view = View { state: &state, page };
        let text: String = items(kind, &state).iter().map(|item| view.describe(item)).collect();
        assert_eq!(text, expected.trim_start());
    }

    #[test]
    fn a_virtual_server_is_described_with_its_backends_and_what_is_wrong() {
        check(
            Kind::VirtualServers,
            "
Name:       demo
Namespace:  default
Group:      tools
Phase:      Degraded
Message:    0/1 backends routable
URLs:       http://a/mcp
            http://b/mcp
Service:    http://vmcp-demo.default.svc.cluster.local:4483
Ready:      0 of 1 backends
Backends (1):
  NAME    KIND        STATUS        BREAKER   FAILURES   CHECKED   TOOLS   URL                      MESSAGE
  clock   MCPServer   unavailable   open      4          60s ago   0       http://127.0.0.1:9/mcp   Circuit breaker OPEN - Connection failed
Tools (0):
Conditions (1):
  TYPE    STATUS   REASON               SINCE                  MESSAGE
  Ready   False    NoRoutableBackends   2026-05-28T20:26:40Z   No routable backends available
Conflicts (1):
  now: clock and watch
Diagnostics (1):
  a.yaml:3:5: warning[not-served]: spec.x: is not served yet; remedy: remove it
",
        );
    }

    #[test]
    fn a_backend_is_described_with_who_uses_it() {
        check(
            Kind::Backends,
            "
Name:       clock
Namespace:  default
Kind:       MCPServer
Id:         default/mcpserver/clock
Group:      -
State:      degraded
Message:    -
Checked:    60s ago
URL:        -
Transport:  -
Server:     -
Protocol:   -
Tools:      0
Used by:    default/demo
Conditions (0):
",
        );
    }

    #[test]
    fn a_node_is_described_with_what_it_refused() {
        check(
            Kind::Nodes,
            "
Name:      laptop
Status:    Disconnected
Since:     -
Listen:    -
Software:  -
Version:   -
Current:   no
Rejected entries (1):
  backend x: port 0
",
        );
    }
}

//! `tidegate describe`: everything about one virtual server, backend or node, for people.

mod grids;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use tidegate_proto::wire::{Diagnostic, StateReply};

use crate::get::Selection;
use crate::inspect::ControlPlaneArg;
use crate::output::print;
use crate::paint::Paint;
use crate::resources::{Backend, Breadth, Item, Kind, Node, VirtualServer, items, listing};
use crate::table::Grid;

/// Arguments of `describe`.
#[derive(clap::Args, Debug)]
pub(crate) struct DescribeArgs {
    /// What to describe
    #[arg(ignore_case = true)]
    kind: Described,
    /// Which one
    name: String,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    control_plane: ControlPlaneArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Described {
    /// A VirtualMCPServer as served
    #[value(
        name = "virtualserver",
        alias = "virtualservers",
        alias = "vs",
        alias = "vmcp",
        alias = "virtualmcp",
        alias = "virtualmcpserver",
        alias = "virtualmcpservers"
    )]
    VirtualServer,
    /// An MCP server behind it
    #[value(name = "backend", alias = "backends", alias = "be")]
    Backend,
    /// A data plane
    #[value(name = "node", alias = "nodes", alias = "no")]
    Node,
}

/// Describes all items of the name (backends of several kinds may share one).
pub(crate) async fn run(args: DescribeArgs) -> anyhow::Result<()> {
    let kind = match args.kind {
        Described::VirtualServer => Kind::VirtualServers,
        Described::Backend => Kind::Backends,
        Described::Node => Kind::Nodes,
    };
    let state = args.control_plane.address()?.states(false).await?.first().await?;
    let found = args.selection.wanted(kind, Some(&args.name)).choose(&items(kind, &state))?;
    let page = Page { state: &state, paint: Paint::for_stream(&std::io::stdout()), now: SystemTime::now() };
    let texts: Vec<String> = found.iter().map(|item| page.describe(item)).collect();
    print(&texts.join("\n"))
}

/// What descriptions refer to.
struct Page<'a> {
    state: &'a StateReply,
    paint: Paint,
    now: SystemTime,
}

impl Page<'_> {
    fn describe(&self, item: &Item) -> String {
        match item {
            Item::VirtualServer(item) => self.virtual_server(item),
            Item::Backend(item) => self.backend(item),
            Item::Node(item) => self.node(item),
            Item::Tool(_) => String::new(),
        }
    }

    fn virtual_server(&self, item: &VirtualServer) -> String {
        let mut text = self.fields(&[
            ("Name", &item.name),
            ("Namespace", &item.namespace),
            ("Group", &item.group),
            ("Phase", &item.phase),
            ("Message", &item.message),
            ("URLs", &item.urls.join("\n")),
            ("Service", &item.url),
            ("Ready", &format!("{} of {} backends", item.backend_count, item.backends.len())),
        ]);
        let backends: Vec<Backend> = self.state.backends.iter().map(Backend::from).collect();
        let tools: Vec<Item> = item.tools.iter().cloned().map(Item::Tool).collect();
        let members = grids::members(&item.backends, &backends, |time| self.ago(time));
        text += &self.grid("Backends", &members);
        let listed = listing(Kind::Tools, &tools, Breadth { wide: false, namespace: false });
        text += &self.grid("Tools", &listed);
        text += &self.grid("Conditions", &grids::conditions(&item.conditions));
        text += &self.list("Conflicts", &item.conflicts);
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
        let text = self.fields(&[
            ("Name", &item.name),
            ("Namespace", &item.namespace),
            ("Kind", &item.kind),
            ("Id", &item.id),
            ("Group", &item.group),
            ("State", item.state),
            ("Message", &item.message),
            ("Checked", &self.ago(item.checked_unix_ms)),
            ("URL", &item.url),
            ("Transport", &item.transport),
            ("Server", &item.server_name),
            ("Protocol", &item.protocol_version),
            ("Tools", &item.tools.to_string()),
            ("Used by", &users.join("\n")),
        ]);
        let text = text + &self.grid("Conditions", &grids::conditions(&item.conditions));
        text + &self.diagnostics(&format!("{} {}/{}", item.kind, item.namespace, item.name))
    }

    fn node(&self, item: &Node) -> String {
        let since = self.ago(item.connected_unix_ms);
        let rejections: Vec<String> =
            item.rejections.iter().map(|entry| format!("{}: {}", entry.key, entry.reason)).collect();
        let text = self.fields(&[
            ("Name", &item.name),
            ("Status", if item.connected { "Connected" } else { "Disconnected" }),
            ("Since", if item.connected { &since } else { "" }),
            ("Listen", &item.listen),
            ("Software", &item.software_version),
            ("Version", &item.version),
            ("Current", if item.current { "yes" } else { "no" }),
        ]);
        text + &self.list("Rejected entries", &rejections)
    }

    /// `Name:  value` lines, aligned; a value of several lines continues below itself.
    fn fields(&self, fields: &[(&str, &str)]) -> String {
        let width = fields.iter().map(|(name, _)| name.len() + 3).max().unwrap_or_default();
        let mut text = String::new();
        for (name, value) in fields {
            let mut lines = value.lines();
            let label = format!("{name}:");
            let padded = format!("{label:width$}");
            text += &format!("{}{}", self.paint.bold(&padded), printable(lines.next().unwrap_or("-")));
            text += "\n";
            for line in lines {
                text += &format!("{:width$}{}\n", "", printable(line));
            }
        }
        text
    }

    fn grid(&self, title: &str, grid: &Grid) -> String {
        let mut text = self.title(title, grid.rows.len());
        if !grid.rows.is_empty() {
            grid.render(self.paint, None).lines().for_each(|line| text += &format!("  {line}\n"));
        }
        text
    }

    fn list(&self, title: &str, lines: &[String]) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let lines: String = lines.iter().map(|line| format!("  {}\n", printable(line))).collect();
        self.title(title, lines.lines().count()) + &lines
    }

    fn diagnostics(&self, object: &str) -> String {
        let of_object = self.state.diagnostics.iter().filter(|diagnostic| diagnostic.object == object);
        self.list("Diagnostics", &of_object.map(diagnostic_line).collect::<Vec<_>>())
    }

    fn title(&self, title: &str, count: usize) -> String {
        format!("{}\n", self.paint.bold(&format!("{title} ({count}):")))
    }

    fn ago(&self, unix_ms: u64) -> String {
        if unix_ms == 0 {
            return "never".into();
        }
        let then = UNIX_EPOCH + Duration::from_millis(unix_ms);
        format!("{} ago", span(self.now.duration_since(then).unwrap_or_default()))
    }
}

fn diagnostic_line(diagnostic: &Diagnostic) -> String {
    let Diagnostic { severity, code, file, line, column, field, message, remedy, .. } = diagnostic;
    let place = if file.is_empty() { String::new() } else { format!("{file}:{line}:{column}: ") };
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("{place}{severity}[{code}]: {field}{message}; remedy: {remedy}")
}

/// A length of time in its two largest units, as kubectl shows ages.
fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m{}s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{}h{}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Without what would move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use tidegate_proto::wire::{
        BackendHealth, BackendState, BackendView, Condition, DiscoveredBackend, NodeView, Rejection,
        VirtualServerView,
    };

    use super::*;

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
        let page = Page { state: &state, paint: Paint::off(), now: UNIX_EPOCH + Duration::from_secs(65) };
        let text: String = items(kind, &state).iter().map(|item| page.describe(item)).collect();
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

    #[test]
    fn spans_have_at_most_two_units() {
        for (seconds, expected) in
            [(0, "0s"), (119, "119s"), (121, "2m1s"), (7_260, "2h1m"), (180_000, "2d2h")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }
}

//! The state of the control plane as `tidegate up` shows it.

use std::collections::BTreeMap;

use tidegate_proto::wire::StateReply;

use crate::paint::Paint;
use crate::resources::{Backend, Item, Kind, VirtualServer, items, state_tone};
use crate::table::{Cell, Grid};

/// Rows of a table that are always shown, however small the terminal.
const FEWEST: usize = 3;

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Columns.
    pub(crate) width: u16,
    /// Lines.
    pub(crate) height: u16,
}

/// Virtual servers and backends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    servers: Vec<VirtualServer>,
    backends: Vec<Backend>,
    /// Whether the control plane has answered yet.
    known: bool,
}

impl Summary {
    /// Of one state.
    pub(crate) fn of(state: &StateReply) -> Self {
        let mut summary = Self { known: true, ..Self::default() };
        for item in items(Kind::VirtualServers, state).into_iter().chain(items(Kind::Backends, state)) {
            match item {
                Item::VirtualServer(server) => summary.servers.push(server),
                Item::Backend(backend) => summary.backends.push(backend),
                Item::Tool(_) | Item::Node(_) => {}
            }
        }
        summary
    }

    /// What there is to say, by subject.
    pub(crate) fn sentences(&self) -> BTreeMap<String, String> {
        let server = |server: &VirtualServer| {
            let subject = format!("virtual server {}/{}", server.namespace, server.name);
            let counts =
                format!("{}, {}, {}", server.phase, backends(server), count(server.tools.len(), "tool"));
            (subject, join([counts.as_str(), &server.message, &server.urls.join(" ")]))
        };
        let backend = |backend: &Backend| {
            let subject = format!("backend {}/{}", backend.namespace, backend.name);
            let kind = join([backend.state, &backend.transport]);
            (subject, join([kind.as_str(), &backend.url, &backend.message]))
        };
        self.servers.iter().map(server).chain(self.backends.iter().map(backend)).collect()
    }

    /// Two tables for a terminal, with a line end each; never higher than the terminal.
    pub(crate) fn table(&self, paint: Paint, size: Size) -> String {
        if !self.known {
            return format!("\n{}\n", paint.dim("Waiting for the control plane…"));
        }
        if self.servers.is_empty() && self.backends.is_empty() {
            return format!("\n{}\n", paint.dim("No virtual servers in the directory yet."));
        }
        // Headings, blank lines and «more» lines of both tables, and the line of the cursor.
        let rows = usize::from(size.height).saturating_sub(8).max(2 * FEWEST);
        let servers = rows / 2;
        let servers = servers.max(rows.saturating_sub(self.backends.len())).max(FEWEST);
        let backends = rows.saturating_sub(servers.min(self.servers.len())).max(FEWEST);
        let mut text = section(&self.server_grid(), servers, paint, size.width);
        text += &section(&self.backend_grid(), backends, paint, size.width);
        text
    }

    fn server_grid(&self) -> Grid {
        let row = |server: &VirtualServer| {
            // A server that is as it should be needs no words.
            let message = if server.phase == "Ready" { "" } else { server.message.as_str() };
            vec![
                named(&server.namespace, &server.name),
                Cell::new(&server.phase, state_tone(&server.phase)),
                server.tools.len().to_string().into(),
                server.urls.join(" ").into(),
                message.into(),
            ]
        };
        Grid::new(["VIRTUAL SERVER", "PHASE", "TOOLS", "URL", "MESSAGE"], self.servers.iter().map(row))
    }

    fn backend_grid(&self) -> Grid {
        let row = |backend: &Backend| {
            vec![
                named(&backend.namespace, &backend.name),
                Cell::new(backend.state, state_tone(backend.state)),
                backend.transport.as_str().into(),
                backend.url.as_str().into(),
                backend.message.as_str().into(),
            ]
        };
        Grid::new(["BACKEND", "STATE", "TRANSPORT", "ENDPOINT", "MESSAGE"], self.backends.iter().map(row))
    }
}

/// At most `most` lines of a table, after a blank one.
fn section(grid: &Grid, most: usize, paint: Paint, width: u16) -> String {
    if grid.len() == 0 {
        return String::new();
    }
    let rendered = grid.render(paint, Some(width));
    let lines: Vec<&str> = rendered.lines().collect();
    let shown = lines.len().min(most + 1);
    let mut text = format!("\n{}\n", lines[..shown].join("\n"));
    if shown < lines.len() {
        let more = format!("… and more: `tidegate get` lists all {}", grid.len());
        text += &format!("{}\n", paint.dim(&more.chars().take(width.into()).collect::<String>()));
    }
    text
}

/// How many there are, and how many of them are ready when not all are.
fn backends(server: &VirtualServer) -> String {
    let all = server.backends.len();
    match usize::try_from(server.backend_count) {
        Ok(ready) if ready < all => format!("{ready} of {}", count(all, "backend")),
        _ => count(all, "backend"),
    }
}

/// The default namespace goes without saying.
fn named(namespace: &str, name: &str) -> Cell {
    if namespace == "default" { name.into() } else { format!("{namespace}/{name}").into() }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn join<const N: usize>(parts: [&str; N]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use tidegate_proto::wire::{BackendHealth, BackendState, BackendView, VirtualServerView};

    use super::*;

    fn state(servers: usize, backends: usize) -> StateReply {
        let server = |index| VirtualServerView {
            namespace: "default".into(),
            name: format!("demo{index}"),
            phase: "Ready".into(),
            urls: vec!["http://127.0.0.1:4483/mcp".into()],
            backend_count: 1,
            workloads: vec!["clock".into()],
            ..Default::default()
        };
        let backend = |index| BackendView {
            namespace: "team".into(),
            name: format!("clock{index}"),
            transport: "stdio".into(),
            url: "http://127.0.0.1:9/mcp".into(),
            published: true,
            message: "slow".into(),
            state: Some(BackendState { health: BackendHealth::Degraded.into(), ..Default::default() }),
            ..Default::default()
        };
        StateReply {
            virtual_servers: (0..servers).map(server).collect(),
            backends: (0..backends).map(backend).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn every_server_and_backend_has_a_sentence() {
        let sentences: Vec<_> = Summary::of(&state(1, 1)).sentences().into_iter().collect();
        let expected = [
            ("backend team/clock0", "degraded, stdio, http://127.0.0.1:9/mcp, slow"),
            ("virtual server default/demo0", "Ready, 1 backend, 0 tools, http://127.0.0.1:4483/mcp"),
        ];
        assert_eq!(sentences, expected.map(|(subject, text)| (subject.to_owned(), text.to_owned())));
    }

    fn check(servers: usize, backends: usize, height: u16) {
        let size = Size { width: 60, height };
        let table = Summary::of(&state(servers, backends)).table(Paint::off(), size);
        let lines = table.lines().count();
        assert!(lines < usize::from(height), "{lines} lines:\n{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
    }

    #[test]
    fn the_table_fits_the_terminal() {
        for (servers, backends) in [(0, 0), (1, 1), (100, 1), (1, 100), (100, 100)] {
            check(servers, backends, 24);
            check(servers, backends, 60);
        }
    }

    #[test]
    fn the_table_says_when_it_does_not_show_everything() {
        let size = Size { width: 100, height: 20 };
        let table = Summary::of(&state(50, 0)).table(Paint::off(), size);
        assert!(table.contains("… and more: `tidegate get` lists all 50"), "{table}");
    }
}

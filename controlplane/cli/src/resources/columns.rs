//! The columns of each kind.

use super::{Backend, Item, Kind, Node, Tool, VirtualServer};
use crate::table::{Cell, Grid, Tone};

/// Longest text in a narrow table; `-o wide` shows all of it.
const NARROW: usize = 60;

/// How much a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Breadth {
    /// More columns, nothing cut.
    pub(crate) wide: bool,
    /// A column for the namespace.
    pub(crate) namespace: bool,
}

/// A table of items of one kind.
pub(crate) fn listing<'a>(kind: Kind, items: impl IntoIterator<Item = &'a Item>, breadth: Breadth) -> Grid {
    let (narrow, wide): (&[&str], &[&str]) = match kind {
        Kind::VirtualServers => {
            (&["NAME", "PHASE", "URL", "BACKENDS", "TOOLS", "READY"], &["GROUP", "MESSAGE"])
        }
        Kind::Backends => {
            (&["NAME", "KIND", "STATE", "TRANSPORT", "TOOLS", "URL"], &["GROUP", "PROTOCOL", "MESSAGE"])
        }
        Kind::Tools => (&["NAME", "VIRTUALSERVER", "BACKEND"], &["NATIVE-NAME", "DESCRIPTION"]),
        Kind::Nodes => (&["NAME", "STATUS", "CURRENT", "VERSION", "LISTEN"], &["SOFTWARE", "REJECTED"]),
    };
    // A narrow list of tools without a word on what they do would be of little use.
    let narrow = if kind == Kind::Tools && !breadth.wide {
        [narrow, &["DESCRIPTION"]].concat()
    } else {
        narrow.into()
    };
    let mut headers = narrow;
    if breadth.wide {
        headers.extend(wide);
    }
    let with_namespace = breadth.namespace && kind.is_namespaced();
    if with_namespace {
        headers.insert(0, "NAMESPACE");
    }
    let rows = items.into_iter().map(|item| {
        let mut row = if with_namespace { vec![Cell::from(item.namespace())] } else { Vec::new() };
        row.extend(cells(item, breadth.wide));
        row
    });
    Grid::new(headers, rows)
}

/// Whether a phase, state or status is as it should be.
pub(crate) fn state_tone(word: &str) -> Tone {
    match word {
        "Ready" | "ready" | "True" | "Connected" | "closed" => Tone::Good,
        "Failed" | "unavailable" | "withheld" | "False" | "Disconnected" | "open" => Tone::Bad,
        "Degraded" | "degraded" | "unauthenticated" | "half-open" => Tone::Doubtful,
        _ => Tone::Faint,
    }
}

fn cells(item: &Item, wide: bool) -> Vec<Cell> {
    match item {
        Item::VirtualServer(item) => virtual_server(item, wide),
        Item::Backend(item) => backend(item, wide),
        Item::Tool(item) => tool(item, wide),
        Item::Node(item) => node(item, wide),
    }
}

fn virtual_server(item: &VirtualServer, wide: bool) -> Vec<Cell> {
    let url = match (&item.urls[..], wide) {
        (urls, true) => urls.join(","),
        ([first, ..], false) => first.clone(),
        ([], false) => String::new(),
    };
    let ready = if item.phase == "Ready" { "True" } else { "False" };
    let mut cells = vec![
        item.name.as_str().into(),
        state(&item.phase),
        url.into(),
        format!("{}/{}", item.backend_count, item.backends.len()).into(),
        item.tools.len().to_string().into(),
        state(ready),
    ];
    if wide {
        cells.extend([item.group.as_str().into(), item.message.as_str().into()]);
    }
    cells
}

fn backend(item: &Backend, wide: bool) -> Vec<Cell> {
    let mut cells = vec![
        item.name.as_str().into(),
        item.kind.as_str().into(),
        state(item.state),
        item.transport.as_str().into(),
        item.tools.to_string().into(),
        item.url.as_str().into(),
    ];
    if wide {
        let texts = [&item.group, &item.protocol_version, &item.message];
        cells.extend(texts.map(|text| Cell::from(text.as_str())));
    }
    cells
}

fn tool(item: &Tool, wide: bool) -> Vec<Cell> {
    let mut cells: Vec<Cell> =
        [&item.name, &item.virtual_server, &item.backend].map(|text| text.as_str().into()).into();
    if wide {
        cells.push(item.native_name.as_str().into());
        cells.push(item.description.as_str().into());
    } else {
        cells.push(shortened(&item.description).into());
    }
    cells
}

fn node(item: &Node, wide: bool) -> Vec<Cell> {
    let current = if item.current { "True" } else { "False" };
    let mut cells = vec![
        item.name.as_str().into(),
        state(if item.connected { "Connected" } else { "Disconnected" }),
        state(current),
        item.version.chars().take(12).collect::<String>().into(),
        item.listen.as_str().into(),
    ];
    if wide {
        cells.push(item.software_version.as_str().into());
        cells.push(item.rejections.len().to_string().into());
    }
    cells
}

fn state(word: &str) -> Cell {
    Cell::new(word, state_tone(word))
}

/// The first line, cut.
fn shortened(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default();
    if line.chars().count() <= NARROW {
        return line.to_owned();
    }
    line.chars().take(NARROW - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests;

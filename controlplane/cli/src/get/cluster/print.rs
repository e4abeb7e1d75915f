//! Objects of a cluster as tables, as names, and for programs.

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;
use tidegate_controlplane_api::meta::GROUP;

use crate::cluster::{Column, Row};
use crate::get::Output;
use crate::get::lookup::Listing;
use crate::output::{self, Format, print};
use crate::paint::Paint;
use crate::resources::state_tone;
use crate::table::{Cell, Grid, Tone, Widths};

/// Columns that say whether something is as it should be.
const STATES: [&str; 5] = ["Phase", "Status", "Ready", "Valid", "Checked"];

/// How rows become text.
pub(super) struct Printer<'a> {
    output: Output,
    /// Absent: all, and a column says which.
    namespace: Option<&'a str>,
    /// Names say their kind, as there are several.
    with_kinds: bool,
    paint: Paint,
    widths: Widths,
}

impl<'a> Printer<'a> {
    /// Of nothing yet.
    pub(super) fn new(output: Output, namespace: Option<&'a str>, with_kinds: bool) -> Self {
        let paint = Paint::for_stream(&std::io::stdout());
        Self { output, namespace, with_kinds, paint, widths: Widths::default() }
    }

    /// Everything at once. For programs `single` is the object alone, not a list; people are told when there is nothing,
    /// where nothing else is (`alone`).
    pub(super) fn all(&mut self, listings: &[Listing], single: bool, alone: bool) -> anyhow::Result<()> {
        if let Some(format) = self.output.format() {
            return print(&document(format, listings, single)?);
        }
        let mut blocks = Vec::new();
        for listing in listings.iter().filter(|listing| !listing.table.rows().is_empty()) {
            self.widths = Widths::default();
            blocks.push(self.lines(listing.kind, listing.table.columns(), listing.table.rows()));
        }
        if blocks.is_empty() && alone {
            match self.namespace {
                Some(namespace) => eprintln!("No resources found in {namespace} namespace."),
                None => eprintln!("No resources found"),
            }
        }
        let names = self.output == Output::Name;
        print(&blocks.join(if names { "" } else { "\n" }))
    }

    /// The next rows of a table that grows.
    pub(super) fn next(&mut self, kind: Kind, columns: &[Column], rows: &[Row]) -> anyhow::Result<()> {
        let text = match self.output.format() {
            _ if rows.is_empty() => return Ok(()),
            None => self.lines(kind, columns, rows),
            Some(format) => {
                let before = if format == Format::Yaml { "---\n" } else { "" };
                let texts: anyhow::Result<Vec<_>> = rows
                    .iter()
                    .map(|row| Ok(before.to_owned() + &output::text(format, &object(row))?))
                    .collect();
                texts?.concat()
            }
        };
        print(&text)
    }

    /// That an object is gone; nothing for programs.
    pub(super) fn removed(&self, kind: Kind, namespace: &str, name: &str) -> anyhow::Result<()> {
        if !matches!(self.output, Output::Table | Output::Wide) {
            return Ok(());
        }
        let kind = kind.singular();
        match self.namespace {
            Some(_) => print(&format!("{kind} {name} was removed\n")),
            None => print(&format!("{kind} {namespace}/{name} was removed\n")),
        }
    }

    fn lines(&mut self, kind: Kind, columns: &[Column], rows: &[Row]) -> String {
        if self.output == Output::Name {
            return rows.iter().map(|row| format!("{}\n", with_kind(kind, row.name()))).collect();
        }
        let wide = self.output == Output::Wide;
        let shown = columns.iter().enumerate().filter(|(_, column)| wide || column.priority == 0);
        let shown: Vec<(usize, &Column)> = shown.collect();
        let namespace = self.namespace.is_none();
        let headers = namespace.then(|| "NAMESPACE".to_owned()).into_iter();
        let headers = headers.chain(shown.iter().map(|(_, column)| column.name.to_uppercase()));
        let rows = rows.iter().map(|row| {
            let first = namespace.then(|| Cell::from(row.namespace())).into_iter();
            first.chain(shown.iter().map(|(index, column)| self.cell(kind, column, row, *index))).collect()
        });
        let grid = Grid::new(headers, rows.collect::<Vec<_>>());
        grid.render_next(self.paint, &mut self.widths) + "\n"
    }

    fn cell(&self, kind: Kind, column: &Column, row: &Row, index: usize) -> Cell {
        let text = text(row.cells.get(index).unwrap_or(&Value::Null));
        match column.name.as_str() {
            "Name" if self.with_kinds => with_kind(kind, &text).into(),
            name if STATES.contains(&name) => Cell::new(text.as_str(), state_tone(&text)),
            _ => Cell::new(text, Tone::Plain),
        }
    }
}

/// One object where one was asked for by name, else a list.
fn document(format: Format, listings: &[Listing], single: bool) -> anyhow::Result<String> {
    let objects: Vec<Value> = listings.iter().flat_map(|listing| listing.table.rows()).map(object).collect();
    match &objects[..] {
        [only] if single => output::text(format, only),
        _ => {
            let metadata = json!({"resourceVersion": ""});
            let list = json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": metadata});
            output::text(format, &list)
        }
    }
}

/// The whole object, without the records of who wrote which field, as kubectl prints it.
fn object(row: &Row) -> Value {
    let mut object = row.object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    object
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn with_kind(kind: Kind, name: &str) -> String {
    format!("{}.{GROUP}/{name}", kind.singular())
}

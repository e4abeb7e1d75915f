//! `tidegate get`: lists of what a running control plane shows.

mod select;
mod watch;

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Serialize;

use crate::inspect::ControlPlaneArg;
use crate::output::{self, Format, print};
use crate::paint::Paint;
use crate::resources::{Breadth, Item, Kind, items, listing};
pub(crate) use select::{Selection, Wanted};
use watch::Watch;

/// Arguments of `get`.
#[derive(clap::Args, Debug)]
pub(crate) struct GetArgs {
    /// What to list (short forms: vmcp, be, …)
    #[arg(ignore_case = true, hide_possible_values = false)]
    kind: Kind,
    /// Only the one of this name
    name: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Stay, and print again what changes
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    control_plane: ControlPlaneArg,
}

/// Form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns
    Table,
    /// More columns
    Wide,
    /// For programs
    Json,
    /// For programs
    Yaml,
    /// One `kind/name` per line
    Name,
}

#[derive(Serialize)]
struct List<'a> {
    items: &'a [Item],
}

/// Lists once, or until the control plane or the user ends it.
pub(crate) async fn run(args: GetArgs) -> anyhow::Result<()> {
    let wanted = args.selection.wanted(args.kind, args.name.as_deref());
    let mut states = args.control_plane.address()?.states(args.watch).await?;
    let all = items(args.kind, &states.first().await?);
    let found = wanted.choose(&all)?;
    if !args.watch {
        return show(&args, &wanted, &found);
    }
    let printer = Printer { args: &args, namespace: wanted.shows_namespace(), paint: paint() };
    let mut watch = Watch::default();
    printer.changes(&watch.step(found), true)?;
    while let Some(state) = states.next().await? {
        let now = wanted.filter(&items(args.kind, &state));
        printer.changes(&watch.step(now), false)?;
    }
    Ok(())
}

fn show(args: &GetArgs, wanted: &Wanted<'_>, found: &[Item]) -> anyhow::Result<()> {
    let format = match args.output {
        Output::Json => Format::Json,
        Output::Yaml => Format::Yaml,
        Output::Table | Output::Wide | Output::Name => {
            if found.is_empty() {
                eprintln!("No {} found{}.", args.kind.plural(), wanted.place());
                return Ok(());
            }
            let printer = Printer { args, namespace: wanted.shows_namespace(), paint: paint() };
            return print(&printer.lines(found, true));
        }
    };
    match found {
        [only] if args.name.is_some() => print(&output::text(format, only)?),
        _ => print(&output::text(format, &List { items: found })?),
    }
}

fn paint() -> Paint {
    Paint::for_stream(&std::io::stdout())
}

struct Printer<'a> {
    args: &'a GetArgs,
    namespace: bool,
    paint: Paint,
}

impl Printer<'_> {
    fn changes(&self, changes: &watch::Changes, first: bool) -> anyhow::Result<()> {
        let mut text = match self.args.output {
            Output::Json => self.documents(Format::Json, &changes.changed, "")?,
            Output::Yaml => self.documents(Format::Yaml, &changes.changed, "---\n")?,
            _ if changes.changed.is_empty() => String::new(),
            _ => self.lines(&changes.changed, first),
        };
        if matches!(self.args.output, Output::Table | Output::Wide) {
            for item in &changes.removed {
                text.push_str(&format!("{} {} was removed\n", self.args.kind.singular(), item.name()));
            }
        }
        print(&text)
    }

    fn lines(&self, items: &[Item], headers: bool) -> String {
        if self.args.output == Output::Name {
            let name = |item: &Item| format!("{}/{}\n", self.args.kind.singular(), item.name());
            return items.iter().map(name).collect();
        }
        let breadth = Breadth { wide: self.args.output == Output::Wide, namespace: self.namespace };
        let grid = listing(self.args.kind, items, breadth);
        let text = if headers { grid.render(self.paint, None) } else { grid.render_rows(self.paint, None) };
        text + "\n"
    }

    fn documents(&self, format: Format, items: &[Item], before: &str) -> anyhow::Result<String> {
        items.iter().map(|item| Ok(before.to_owned() + &output::text(format, item)?)).collect()
    }
}

/// Items by key.
type Known = BTreeMap<(String, String, String), Item>;

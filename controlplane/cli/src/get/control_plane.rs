//! Lists of what a running control plane shows.

use anyhow::bail;
use serde::Serialize;

use super::watch::{Changes, Watch};
use super::{GetArgs, Output, Wanted, only_view};
use crate::inspect::Address;
use crate::output::{self, Format, print};
use crate::paint::Paint;
use crate::resources::{Breadth, Item, Kind, items, listing};
use crate::table::Widths;

#[derive(Serialize)]
struct List<'a> {
    items: &'a [Item],
}

/// Lists once, or until the control plane or the user ends it.
pub(super) async fn run(args: &GetArgs, address: &Address) -> anyhow::Result<()> {
    let kind = only_view(&args.asked)?;
    let name = match &args.names[..] {
        [] => None,
        [only] => Some(only.as_str()),
        _ => bail!("a control plane is asked for one name, or for all"),
    };
    if args.labels.is_some() {
        bail!("a control plane knows no labels\n  help: ask the cluster: add --context or --kubeconfig");
    }
    let wanted = args.selection.wanted(kind, name);
    let mut states = address.states(args.watch).await?;
    let all = items(kind, &states.first().await?);
    let found = wanted.choose(&all)?;
    let mut printer = Printer::new(args, kind, &wanted);
    if !args.watch {
        return printer.once(&found, &wanted);
    }
    let mut watch = Watch::default();
    printer.changes(&watch.step(found))?;
    while let Some(state) = states.next().await? {
        let now = wanted.filter(&items(kind, &state));
        printer.changes(&watch.step(now))?;
    }
    Ok(())
}

struct Printer<'a> {
    args: &'a GetArgs,
    kind: Kind,
    breadth: Breadth,
    paint: Paint,
    widths: Widths,
}

impl<'a> Printer<'a> {
    fn new(args: &'a GetArgs, kind: Kind, wanted: &Wanted<'_>) -> Self {
        let breadth = Breadth { wide: args.output == Output::Wide, namespace: wanted.shows_namespace() };
        let paint = Paint::for_stream(&std::io::stdout());
        Self { args, kind, breadth, paint, widths: Widths::default() }
    }

    fn once(&mut self, found: &[Item], wanted: &Wanted<'_>) -> anyhow::Result<()> {
        match (self.args.output.format(), found) {
            (Some(format), [only]) if !self.args.names.is_empty() => print(&output::text(format, only)?),
            (Some(format), _) => print(&output::text(format, &List { items: found })?),
            (None, []) => {
                eprintln!("No {} found{}.", self.kind.plural(), wanted.place());
                Ok(())
            }
            (None, _) => print(&self.lines(found)),
        }
    }

    fn changes(&mut self, changes: &Changes) -> anyhow::Result<()> {
        let mut text = match self.args.output {
            Output::Json => documents(Format::Json, &changes.changed, "")?,
            Output::Yaml => documents(Format::Yaml, &changes.changed, "---\n")?,
            _ if changes.changed.is_empty() => String::new(),
            _ => self.lines(&changes.changed),
        };
        if matches!(self.args.output, Output::Table | Output::Wide) {
            for item in &changes.removed {
                text.push_str(&format!("{} {} was removed\n", self.kind.singular(), item.name()));
            }
        }
        print(&text)
    }

    fn lines(&mut self, items: &[Item]) -> String {
        if self.args.output == Output::Name {
            let name = |item: &Item| format!("{}/{}\n", self.kind.singular(), item.name());
            return items.iter().map(name).collect();
        }
        listing(self.kind, items, self.breadth).render_next(self.paint, &mut self.widths) + "\n"
    }
}

fn documents(format: Format, items: &[Item], before: &str) -> anyhow::Result<String> {
    items.iter().map(|item| Ok(before.to_owned() + &output::text(format, item)?)).collect()
}

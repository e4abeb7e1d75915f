//! Lists of what a cluster keeps, in the columns that its API server prints.

mod follow;
mod print;

use anyhow::bail;

use super::GetArgs;
use super::lookup::Scope;
use crate::cluster::Cluster;
use crate::report_all;
use crate::resources::Subject;
use print::Printer;

/// Lists once, or until the user ends it. What could be had is printed also when something else could not.
pub(super) async fn run(args: &GetArgs, cluster: &Cluster) -> anyhow::Result<()> {
    let scope = Scope {
        labels: args.labels.as_deref(),
        whole: args.output.format().is_some(),
        ..Scope::new(cluster, &args.selection)
    };
    let subjects = &args.asked.subjects;
    if args.watch {
        return match &subjects[..] {
            [only] if only.kinds.len() == 1 => follow::run(&scope, args, only, only.kinds[0]).await,
            _ => {
                bail!("-w follows one kind of a cluster at a time\n  help: choose one of {}", kinds(subjects))
            }
        };
    }
    let (mut listings, mut problems) = (Vec::new(), Vec::new());
    for subject in subjects {
        let (found, wrong) = scope.look(subject, &args.names).await?;
        listings.extend(found);
        problems.extend(wrong);
    }
    let mut printer = Printer::new(args.output, scope.namespace, listings.len() > 1);
    printer.all(&listings, args.names.len() == 1, problems.is_empty())?;
    report_all(problems)
}

fn kinds(subjects: &[Subject]) -> String {
    let kinds = subjects.iter().flat_map(|subject| &subject.kinds);
    kinds.map(|kind| kind.plural()).collect::<Vec<_>>().join(", ")
}

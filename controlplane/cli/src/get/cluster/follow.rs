//! `-w`: a list, then what happens to it. A watch that ends is made again from a new list, so that nothing is missed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::bail;
use futures_util::StreamExt as _;
use tidegate_controlplane_api::Kind;

use super::Printer;
use crate::cluster::{Change, Row};
use crate::get::GetArgs;
use crate::get::lookup::Scope;
use crate::resources::Subject;

/// Before a watch that ended is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Version of the objects last seen, by namespace and name.
#[derive(Default)]
struct Seen(BTreeMap<(String, String), String>);

/// Runs until the user, or an error, ends it.
pub(super) async fn run(
    scope: &Scope<'_>,
    args: &GetArgs,
    subject: &Subject,
    kind: Kind,
) -> anyhow::Result<()> {
    let (namespace, name) = match &args.names[..] {
        [] => (scope.namespace, None),
        [only] => {
            let (namespace, name) = scope.place(only);
            (namespace, Some(name))
        }
        _ => bail!("-w follows one name, or all"),
    };
    let query = scope.query(kind, namespace, name);
    let mut printer = Printer::new(args.output, scope.namespace, false);
    let mut seen = Seen::default();
    let mut first = true;
    loop {
        let table = scope.cluster.rows(&query).await?;
        if let (true, Some(_), []) = (first, name, table.rows()) {
            return Err(scope.missing(subject, &args.names[0]).into());
        }
        first = false;
        for (namespace, name) in seen.others(table.rows()) {
            printer.removed(kind, &namespace, &name)?;
        }
        let news: Vec<Row> = table.rows().iter().filter(|row| seen.take(row)).cloned().collect();
        printer.next(kind, table.columns(), &news)?;
        let mut changes = scope.cluster.watch(&query, &table).await?;
        while let Some(change) = changes.next().await {
            match change {
                Change::Present(row) if seen.take(&row) => printer.next(kind, table.columns(), &[row])?,
                Change::Removed(row) if seen.forget(&row) => {
                    printer.removed(kind, row.namespace(), row.name())?
                }
                Change::Present(_) | Change::Removed(_) => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Seen {
    /// Whether it was not seen like this yet.
    fn take(&mut self, row: &Row) -> bool {
        let before = self.0.insert(key(row), row.version().to_owned());
        before.as_deref() != Some(row.version())
    }

    /// Whether it was there.
    fn forget(&mut self, row: &Row) -> bool {
        self.0.remove(&key(row)).is_some()
    }

    /// Forgets, and returns, what is not among these.
    fn others(&mut self, rows: &[Row]) -> Vec<(String, String)> {
        let present: BTreeSet<_> = rows.iter().map(key).collect();
        self.0.extract_if(.., |key, _| !present.contains(key)).map(|(key, _)| key).collect()
    }
}

fn key(row: &Row) -> (String, String) {
    (row.namespace().to_owned(), row.name().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(name: &str, version: &str) -> Row {
        let object = json!({"metadata": {"namespace": "team", "name": name, "resourceVersion": version}});
        Row { cells: Vec::new(), object }
    }

    #[test]
    fn after_a_watch_that_ended_only_what_changed_meanwhile_is_new() {
        let mut seen = Seen::default();
        assert!(seen.take(&row("a", "1")) && seen.take(&row("b", "2")));
        assert!(!seen.take(&row("a", "1")));
        assert!(seen.take(&row("a", "3")));
        assert_eq!(seen.others(&[row("a", "3")]), [("team".to_owned(), "b".to_owned())]);
        assert!(!seen.forget(&row("b", "2")) && seen.forget(&row("a", "3")));
    }
}

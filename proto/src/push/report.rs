//! Reports upward: a node holds its whole state, sends what changed, and the control plane folds it.

use std::collections::BTreeMap;

use crate::wire::{BackendState, Report, VirtualServerState};

/// What a control plane knows of one node's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// By backend id.
    pub backends: BTreeMap<String, BackendState>,
    /// By `namespace/name`.
    pub virtual_servers: BTreeMap<String, VirtualServerState>,
}

impl Folded {
    /// Takes in a report.
    pub fn fold(&mut self, report: Report) {
        for id in &report.removed_backends {
            self.backends.remove(id);
        }
        for id in &report.removed_virtual_servers {
            self.virtual_servers.remove(id);
        }
        self.backends.extend(report.backends.into_iter().map(|s| (s.id.clone(), s)));
        self.virtual_servers.extend(report.virtual_servers.into_iter().map(|s| (s.id.clone(), s)));
    }

    /// The report that leads from here to the complete state `next`; none when nothing changed.
    pub fn step(&self, next: &Report) -> Option<Report> {
        let (backends, removed_backends) = changes(&self.backends, &next.backends, |s| &s.id);
        let (virtual_servers, removed_virtual_servers) =
            changes(&self.virtual_servers, &next.virtual_servers, |s| &s.id);
        let report = Report { backends, virtual_servers, removed_backends, removed_virtual_servers };
        (report != Report::default()).then_some(report)
    }
}

fn changes<T: Clone + PartialEq>(
    known: &BTreeMap<String, T>,
    next: &[T],
    id: impl Fn(&T) -> &String,
) -> (Vec<T>, Vec<String>) {
    let changed = next.iter().filter(|state| known.get(id(state)) != Some(state)).cloned().collect();
    let present: std::collections::BTreeSet<&String> = next.iter().map(&id).collect();
    let removed = known.keys().filter(|k| !present.contains(k)).cloned().collect();
    (changed, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(backends: &[(&str, u32)]) -> Report {
        let backend =
            |&(id, tools): &(&str, u32)| BackendState { id: id.into(), tools, ..Default::default() };
        Report { backends: backends.iter().map(backend).collect(), ..Default::default() }
    }

    #[test]
    fn a_report_carries_what_changed_and_folds_into_the_whole() {
        let mut folded = Folded::default();
        let first = state(&[("a", 1), ("b", 2)]);
        let step = folded.step(&first).unwrap();
        assert_eq!(step, first, "the first one is complete");
        folded.fold(step);
        assert_eq!(folded.step(&first), None);
        let step = folded.step(&state(&[("b", 3)])).unwrap();
        assert_eq!(step.removed_backends, ["a"]);
        assert_eq!(step.backends.len(), 1);
        folded.fold(step);
        assert_eq!(folded.step(&state(&[("b", 3)])), None);
    }
}

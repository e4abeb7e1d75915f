//! Reports upward: a node holds its whole state, sends what changed, and the control plane folds it.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::{BackendState, Probed, Report, VirtualServerState};

/// What a control plane knows of one node's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// By backend id.
    pub backends: BTreeMap<String, BackendState>,
    /// By `namespace/name`.
    pub virtual_servers: BTreeMap<String, VirtualServerState>,
}

impl Folded {
    /// Takes in a report. What it says of unknown names is ignored.
    pub fn fold(&mut self, report: Report) {
        for id in &report.removed_backends {
            self.backends.remove(id);
        }
        for id in &report.removed_virtual_servers {
            self.virtual_servers.remove(id);
        }
        self.backends.extend(report.backends.into_iter().map(|s| (s.id.clone(), s)));
        self.virtual_servers.extend(report.virtual_servers.into_iter().map(|s| (s.id.clone(), s)));
        probe(&mut self.backends, report.probed_backends);
        probe(&mut self.virtual_servers, report.probed_virtual_servers);
    }

    /// The report that leads from here to the complete state `next`; none when nothing changed.
    pub fn step(&self, next: &Report) -> Option<Report> {
        let backends = Changes::of(&self.backends, &next.backends);
        let virtual_servers = Changes::of(&self.virtual_servers, &next.virtual_servers);
        let report = Report {
            backends: backends.changed,
            virtual_servers: virtual_servers.changed,
            removed_backends: backends.removed,
            removed_virtual_servers: virtual_servers.removed,
            probed_backends: backends.probed,
            probed_virtual_servers: virtual_servers.probed,
        };
        (report != Report::default()).then_some(report)
    }
}

/// Whether a report says more than that backends have been probed again and are as they were.
pub fn is_news(report: &Report) -> bool {
    let Report { backends, virtual_servers, removed_backends, removed_virtual_servers, .. } = report;
    !(backends.is_empty()
        && virtual_servers.is_empty()
        && removed_backends.is_empty()
        && removed_virtual_servers.is_empty())
}

/// State with times that are of less interest than the rest.
trait State: Clone + PartialEq {
    fn id(&self) -> &String;

    /// The times of its probes, in order.
    fn probes(&mut self) -> impl Iterator<Item = &mut u64>;
}

impl State for BackendState {
    fn id(&self) -> &String {
        &self.id
    }

    fn probes(&mut self) -> impl Iterator<Item = &mut u64> {
        std::iter::once(&mut self.checked_unix_ms)
    }
}

impl State for VirtualServerState {
    fn id(&self) -> &String {
        &self.id
    }

    fn probes(&mut self) -> impl Iterator<Item = &mut u64> {
        self.members.iter_mut().map(|member| &mut member.checked_unix_ms)
    }
}

fn probe<T: State>(known: &mut BTreeMap<String, T>, probed: Vec<Probed>) {
    for Probed { id, checked_unix_ms } in probed {
        if let Some(state) = known.get_mut(&id) {
            state.probes().zip(checked_unix_ms).for_each(|(known, at)| *known = at);
        }
    }
}

/// What leads from known states to others.
struct Changes<T> {
    changed: Vec<T>,
    removed: Vec<String>,
    probed: Vec<Probed>,
}

impl<T: State> Changes<T> {
    fn of(known: &BTreeMap<String, T>, next: &[T]) -> Self {
        let present: BTreeSet<&String> = next.iter().map(T::id).collect();
        let removed = known.keys().filter(|id| !present.contains(id)).cloned().collect();
        let mut changes = Self { changed: Vec::new(), removed, probed: Vec::new() };
        for state in next {
            match known.get(state.id()) {
                Some(known) if known == state => {}
                Some(known) => match probed(known, state) {
                    Some(probed) => changes.probed.push(probed),
                    None => changes.changed.push(state.clone()),
                },
                None => changes.changed.push(state.clone()),
            }
        }
        changes
    }
}

/// The times of `next`, if these are all in which it differs.
fn probed<T: State>(known: &T, next: &T) -> Option<Probed> {
    let mut next = next.clone();
    let checked_unix_ms: Vec<u64> = next.probes().map(|at| *at).collect();
    let mut known = known.clone();
    known.probes().zip(next.probes()).for_each(|(known, next)| *next = *known);
    (known == next).then(|| Probed { id: next.id().clone(), checked_unix_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::MemberState;

    fn state(backends: &[(&str, u32)]) -> Report {
        let backend =
            |&(id, tools): &(&str, u32)| BackendState { id: id.into(), tools, ..Default::default() };
        Report { backends: backends.iter().map(backend).collect(), ..Default::default() }
    }

    #[test]
    fn a_probe_that_finds_what_was_known_is_told_as_a_time_and_is_no_news() {
        let complete = |times: [u64; 2], failures| {
            let member = |checked_unix_ms| MemberState {
                checked_unix_ms,
                consecutive_failures: failures,
                ..MemberState::default()
            };
            let server = VirtualServerState {
                id: "default/demo".into(),
                members: times.map(member).into(),
                conflicts: vec!["something long".into()],
                ..VirtualServerState::default()
            };
            let backend =
                BackendState { id: "a".into(), checked_unix_ms: times[0], ..BackendState::default() };
            Report { backends: vec![backend], virtual_servers: vec![server], ..Report::default() }
        };
        let mut folded = Folded::default();
        let mut take = |next: &Report| {
            let step = folded.step(next).unwrap();
            folded.fold(step.clone());
            assert_eq!(folded.step(next), None, "it leads there");
            step
        };
        assert!(is_news(&take(&complete([1, 0], 0))), "the first one");
        let step = take(&complete([2, 3], 0));
        let probed = |id: &str, times: &[u64]| vec![Probed { id: id.into(), checked_unix_ms: times.into() }];
        let times = Report {
            probed_backends: probed("a", &[2]),
            probed_virtual_servers: probed("default/demo", &[2, 3]),
            ..Report::default()
        };
        assert_eq!(step, times);
        assert!(!is_news(&step));
        let step = take(&complete([4, 4], 1));
        assert_eq!((step.virtual_servers.len(), step.probed_virtual_servers.len()), (1, 0));
        assert!(is_news(&step));
        folded.fold(Report { probed_backends: probed("unheard of", &[1]), ..Report::default() });
        assert_eq!(folded.backends.len(), 1);
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

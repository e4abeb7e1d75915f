//! A gateway that only remembers what it was told.

use tidegate_dataplane_gateway::push::{Applier, Step};
use tidegate_proto::table::{Entry, EntryKey, Table};
use tokio::sync::watch;

use crate::DEADLINE;

pub(crate) struct Gateway {
    /// An entry that is refused when it has this path.
    refuses: Option<(EntryKey, String)>,
    state: watch::Sender<State>,
}

#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) is_synced: bool,
    served: Table,
    key_ids: Vec<String>,
    steps: usize,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { refuses: None, state: watch::Sender::new(State::default()) }
    }
}

impl Gateway {
    pub(crate) fn refusing(key: EntryKey, path: &str) -> Self {
        Self { refuses: Some((key, path.to_owned())), ..Self::default() }
    }

    pub(crate) async fn wait(&self, condition: impl FnMut(&State) -> bool) {
        let mut state = self.state.subscribe();
        let waited = tokio::time::timeout(DEADLINE, state.wait_for(condition)).await;
        waited.expect("the gateway comes to this state").unwrap();
    }

    pub(crate) fn served(&self) -> Table {
        self.state.borrow().served.clone()
    }

    pub(crate) fn key_ids(&self) -> Vec<String> {
        self.state.borrow().key_ids.clone()
    }

    pub(crate) fn steps(&self) -> usize {
        self.state.borrow().steps
    }
}

impl Applier for Gateway {
    fn apply(&self, step: Step<'_>) -> Vec<(EntryKey, String)> {
        let has_path = |key: &EntryKey, path: &str| match step.table.entries.get(key).map(|e| &**e) {
            Some(Entry::Backend(b)) => b.path == path,
            _ => false,
        };
        assert!(!step.table.entries.keys().any(|k| has_path(k, "/panic")), "as the test wishes");
        self.state.send_modify(|state| {
            state.steps += 1;
            state.served = step.table.clone();
            state.key_ids = step.keys.map_or_else(|| state.key_ids.clone(), |k| k.ids());
        });
        let refused = self.refuses.iter().filter(|(key, path)| has_path(key, path));
        refused.map(|(key, _)| (key.clone(), "bad path".to_owned())).collect()
    }

    fn synced(&self, synced: bool) {
        self.state.send_modify(|state| state.is_synced = synced);
    }
}

//! Steps from one table to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::ordmap::DiffItem;

use crate::table::{Entry, EntryKey, Table};

/// What leads from one table to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// New and changed entries.
    pub upserts: BTreeMap<EntryKey, Arc<Entry>>,
    /// Entries that are gone.
    pub removals: BTreeSet<EntryKey>,
}

/// The smallest delta from `old` to `new`. What the tables share is not looked at: neither parts of the maps nor entries.
pub fn diff(old: &Table, new: &Table) -> Delta {
    let mut delta = Delta::default();
    for item in old.entries.diff(&new.entries) {
        match item {
            DiffItem::Add(key, entry) | DiffItem::Update { new: (key, entry), .. } => {
                delta.upserts.insert(key.clone(), Arc::clone(entry));
            }
            DiffItem::Remove(key, _) => drop(delta.removals.insert(key.clone())),
        }
    }
    delta
}

impl Delta {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removals.is_empty()
    }

    /// How many entries it touches.
    pub fn len(&self) -> usize {
        self.upserts.len() + self.removals.len()
    }

    /// Whether it touches this entry.
    pub fn contains(&self, key: &EntryKey) -> bool {
        self.upserts.contains_key(key) || self.removals.contains(key)
    }
}

impl Table {
    /// Takes the step in place.
    pub fn apply(&mut self, delta: &Delta) {
        for key in &delta.removals {
            self.entries.remove(key);
        }
        self.entries.extend(delta.upserts.iter().map(|(key, entry)| (key.clone(), entry.clone())));
    }

    /// The table after the step; entries that it does not touch are shared.
    pub fn with(&self, delta: &Delta) -> Table {
        let mut next = self.clone();
        next.apply(delta);
        next
    }
}

//! A table with its digests.

use std::sync::Arc;

use crate::delta::{Delta, diff};
use crate::digest::{Digests, TableDigest};
use crate::table::Table;

/// A table and its digests: what is published, or what a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    table: Arc<Table>,
    digests: Digests,
}

impl Version {
    /// Computes every digest.
    pub fn new(table: Arc<Table>) -> Self {
        let digests = Digests::of(&table);
        Self { table, digests }
    }

    /// The version to which this step leads; entries and digests that it does not touch are shared.
    pub fn after(&self, step: &Delta) -> Self {
        Self { table: Arc::new(self.table.with(step)), digests: self.digests.after(step) }
    }

    /// The version with this table, and the step to it; digests of what they have in common are shared.
    pub fn next(&self, table: Table) -> (Self, Delta) {
        let step = diff(&self.table, &table);
        (Self { table: Arc::new(table), digests: self.digests.after(&step) }, step)
    }

    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The digests of its entries and of the whole.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The digest of the whole.
    pub fn id(&self) -> TableDigest {
        self.digests.version()
    }

    /// The step to another version.
    pub fn diff(&self, next: &Version) -> Delta {
        diff(&self.table, &next.table)
    }
}

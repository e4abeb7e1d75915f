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

    /// The version after this one; digests of shared entries are taken over.
    pub fn next(&self, table: Arc<Table>) -> Self {
        let digests = self.digests.next(&self.table, &table);
        Self { table, digests }
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
        self.digests.version
    }

    /// The step to another version.
    pub fn diff(&self, next: &Version) -> Delta {
        diff(&self.table, &next.table)
    }
}

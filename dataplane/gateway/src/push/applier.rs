//! What the gateway does with a step.

use std::time::SystemTime;

use tidegate_proto::delta::Delta;
use tidegate_proto::digest::TableDigest;
use tidegate_proto::keys::KeyRing;
use tidegate_proto::table::{EntryKey, Table};

/// The part of the gateway that serves tables.
pub trait Applier: Send + Sync + 'static {
    /// Builds the next snapshot and swaps it in, in one step. Returns the entries that it refuses and why;
    /// these keep their previous value (none, if they are new), in the gateway as in last-known-good.
    ///
    /// A refused virtual server may so keep a member whose backend the step removes: such a member is
    /// served as an unavailable one.
    ///
    /// Called from a thread that may block, never twice at once, and not at all for updates that change
    /// neither the table nor the keys.
    fn apply(&self, step: Step<'_>) -> Vec<(EntryKey, String)>;

    /// `true` when the control plane has confirmed that the served table is its newest, or a newer one has
    /// been applied; `false` when the stream is lost, and what is served may be stale.
    fn synced(&self, synced: bool);

    /// Something happened to the certificate of this node; never told where the control plane asks for none.
    fn identity(&self, _event: IdentityEvent) {}
}

/// What can happen to the certificate of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityEvent {
    /// One was kept by an earlier process.
    Held {
        /// When it expires.
        until: SystemTime,
    },
    /// One was issued.
    Issued {
        /// When it expires.
        until: SystemTime,
    },
    /// None was issued; the one before stays for as long as it is good.
    Failed,
}

/// One step of the served configuration.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The whole next table, `delta` included.
    pub table: &'a Table,
    /// What changes; may be empty when only the keys change.
    pub delta: &'a Delta,
    /// The session key ring, when it changes.
    pub keys: Option<&'a KeyRing>,
    /// Digest of the table as published; differs from that of `table` when entries were rejected.
    pub version: TableDigest,
}

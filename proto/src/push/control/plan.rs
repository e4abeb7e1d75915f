//! What the next update carries.

use std::collections::{BTreeMap, BTreeSet};

use super::Refusal;
use crate::digest::{Digests, EntryDigest};
use crate::keys::KeyRing;
use crate::push::Version;
use crate::table::{Entry, EntryKey, VirtualServer};
use crate::wire;

/// The keys that differ between what a node holds and the newest version.
#[derive(Debug)]
pub(super) struct Plan {
    upserts: BTreeSet<EntryKey>,
    removals: BTreeSet<EntryKey>,
}

impl Plan {
    /// Compares. A refused entry is not sent again while it would be the same one, except that
    /// - a virtual server goes again with a backend that it refers to: the missing backend may have been
    ///   the reason;
    /// - a removal goes again with anything: what stood in its way may be gone.
    ///
    /// Refusals that the newest version made pointless are forgotten.
    pub(super) fn new(holds: &Digests, refused: &mut BTreeMap<EntryKey, Refusal>, newest: &Version) -> Self {
        let wanted = newest.digests();
        refused.retain(|key, refusal| {
            refusal.target.as_ref() == wanted.get(key) && holds.get(key) != wanted.get(key)
        });
        let (again, fresh): (BTreeSet<_>, BTreeSet<_>) =
            holds.news(wanted).partition(|key| refused.contains_key(key));
        let gone = holds.gone(wanted);
        let (gone_again, gone): (BTreeSet<_>, BTreeSet<_>) = gone.partition(|key| refused.contains_key(key));
        let mut plan = Plan {
            upserts: fresh.into_iter().cloned().collect(),
            removals: gone.into_iter().cloned().collect(),
        };
        if !plan.upserts.is_empty() || !plan.removals.is_empty() {
            plan.removals.extend(gone_again.into_iter().cloned());
            let retried: Vec<_> = again.into_iter().filter(|key| plan.feeds(key, newest)).cloned().collect();
            plan.upserts.extend(retried);
        }
        plan
    }

    /// The message to send.
    pub(super) fn message(
        &self,
        nonce: u64,
        newest: &Version,
        epoch: u64,
        ring: Option<&KeyRing>,
    ) -> wire::Update {
        let digests = newest.digests();
        let upsert = |key: &EntryKey| wire::Upsert {
            key: Some(key.into()),
            digest: digests.get(key).map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
            entry: Some((&*newest.table().entries[key]).into()),
        };
        wire::Update {
            nonce,
            version: newest.id().as_bytes().to_vec(),
            upserts: self.upserts.iter().map(upsert).collect(),
            removals: self.removals.iter().map(wire::EntryKey::from).collect(),
            key_ring: ring.map(wire::KeyRing::from),
            epoch,
        }
    }

    /// What the node holds of each entry if it accepts it.
    pub(super) fn awaited(self, newest: &Version) -> BTreeMap<EntryKey, Option<EntryDigest>> {
        let digests = newest.digests();
        let upserts = self.upserts.into_iter().map(|key| {
            let digest = digests.get(&key).copied();
            (key, digest)
        });
        upserts.chain(self.removals.into_iter().map(|key| (key, None))).collect()
    }

    /// Whether the plan brings a backend of this virtual server.
    fn feeds(&self, key: &EntryKey, newest: &Version) -> bool {
        match newest.table().entries.get(key).map(|e| &**e) {
            Some(Entry::VirtualServer(VirtualServer { members, .. })) => {
                members.iter().any(|m| self.upserts.contains(&EntryKey::Backend(m.backend.clone())))
            }
            _ => false,
        }
    }
}

//! What an update asks for, and what of it can be done: each entry stands or falls by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::convert::{At, ConvertError};
use crate::delta::Delta;
use crate::digest::{EntryDigest, TableDigest};
use crate::keys::KeyRing;
use crate::push::Version;
use crate::table::{BackendId, Entry, EntryKey, VirtualServer};
use crate::wire;

/// An update as read against what the node holds.
#[derive(Debug)]
pub(super) struct Reading {
    /// What would change.
    pub(super) delta: Delta,
    /// The key ring, if it came along.
    pub(super) keys: Option<KeyRing>,
    /// The version that the update leads to.
    pub(super) version: TableDigest,
    /// How new the view is that it was compiled from.
    pub(super) epoch: u64,
    nonce: u64,
    /// In the order of the update; the words are empty for what is accepted.
    verdicts: Vec<(wire::EntryKey, String)>,
    /// Where the verdict on an entry stands.
    positions: BTreeMap<EntryKey, usize>,
}

/// Why an entry is refused before the gateway sees it.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Convert(#[from] ConvertError),
    #[error("the update names it twice")]
    Twice,
    #[error("the entry is {0}")]
    OtherKey(EntryKey),
    #[error("this version of the node reads it otherwise than it was written: digests differ")]
    Digest,
    #[error("it refers to backend {0}, which this node does not have")]
    NoBackend(BackendId),
    #[error("virtual server {0}, which keeps its previous value, refers to it")]
    StillUsed(String),
}

impl Reading {
    /// Reads every entry; an error concerns the update as a whole.
    pub(super) fn new(update: wire::Update, held: &Version) -> Result<Self, ConvertError> {
        let version = TableDigest::try_from(&update.version[..]).map_err(|e| e.within("version"))?;
        let keys = update.key_ring.map(|r| KeyRing::try_from(r).at("key_ring")).transpose()?;
        let mut reading = Self {
            delta: Delta::default(),
            keys,
            version,
            epoch: update.epoch,
            nonce: update.nonce,
            verdicts: Vec::with_capacity(update.upserts.len() + update.removals.len()),
            positions: BTreeMap::new(),
        };
        for upsert in update.upserts {
            let key = upsert.key.clone().unwrap_or_default();
            let outcome = reading.upsert(upsert, held);
            reading.verdicts.push((key, words(outcome)));
        }
        for key in update.removals {
            let outcome = reading.removal(key.clone(), held);
            reading.verdicts.push((key, words(outcome)));
        }
        reading.close_references(held);
        Ok(reading)
    }

    /// Takes an entry out of the step.
    pub(super) fn refuse(&mut self, key: &EntryKey, reason: String) {
        self.delta.upserts.remove(key);
        self.delta.removals.remove(key);
        if let Some((_, words)) = self.positions.get(key).and_then(|p| self.verdicts.get_mut(*p)) {
            // an empty reason would read as consent
            *words = if reason.is_empty() { "refused without a reason".to_owned() } else { reason };
        }
    }

    /// The answer.
    pub(super) fn into_verdicts(self) -> wire::Verdicts {
        let verdict = |(key, rejected)| wire::Verdict { key: Some(key), rejected };
        wire::Verdicts {
            nonce: self.nonce,
            version: self.version.as_bytes().to_vec(),
            entries: self.verdicts.into_iter().map(verdict).collect(),
        }
    }

    fn upsert(&mut self, upsert: wire::Upsert, held: &Version) -> Result<(), Refusal> {
        let key = self.key(upsert.key.unwrap_or_default())?;
        let entry = Entry::try_from(upsert.entry.unwrap_or_default())?;
        if entry.key() != key {
            return Err(Refusal::OtherKey(entry.key()));
        }
        let digest = EntryDigest::of(&entry);
        if digest.as_bytes()[..] != upsert.digest {
            return Err(Refusal::Digest);
        }
        if held.digests().get(&key) != Some(&digest) {
            self.delta.upserts.insert(key, Arc::new(entry));
        }
        Ok(())
    }

    fn removal(&mut self, key: wire::EntryKey, held: &Version) -> Result<(), Refusal> {
        let key = self.key(key)?;
        if held.table().entries.contains_key(&key) {
            self.delta.removals.insert(key);
        }
        Ok(())
    }

    fn key(&mut self, key: wire::EntryKey) -> Result<EntryKey, Refusal> {
        let key = EntryKey::try_from(key).at("key")?;
        if self.positions.insert(key.clone(), self.verdicts.len()).is_some() {
            self.delta.upserts.remove(&key);
            return Err(Refusal::Twice);
        }
        Ok(key)
    }

    /// What is refused must not tear a virtual server from its backends: one that would refer to a
    /// missing backend is refused too, and a backend stays while a virtual server that keeps its
    /// previous value refers to it. Each round refuses something, so there is a last one.
    fn close_references(&mut self, held: &Version) {
        loop {
            let mut refused = self.torn_virtual_servers(held);
            refused.extend(self.removals_in_use(held));
            if refused.is_empty() {
                return;
            }
            for (key, refusal) in refused {
                self.refuse(&key, refusal.to_string());
            }
        }
    }

    fn torn_virtual_servers(&self, held: &Version) -> Vec<(EntryKey, Refusal)> {
        let is_there = |key: &EntryKey| {
            self.delta.upserts.contains_key(key)
                || (held.table().entries.contains_key(key) && !self.delta.removals.contains(key))
        };
        let missing = |v: &VirtualServer| {
            let mut backends = v.members.iter().map(|m| &m.backend);
            backends.find(|id| !is_there(&EntryKey::Backend((*id).clone()))).cloned()
        };
        let torn = self.delta.upserts.iter().filter_map(|(key, entry)| match &**entry {
            Entry::VirtualServer(v) => missing(v).map(|id| (key.clone(), Refusal::NoBackend(id))),
            Entry::Backend(_) => None,
        });
        torn.collect()
    }

    fn removals_in_use(&self, held: &Version) -> Vec<(EntryKey, Refusal)> {
        let removes_backend = |key: &EntryKey| matches!(key, EntryKey::Backend(_));
        if !self.delta.removals.iter().any(removes_backend) {
            return Vec::new();
        }
        let kept = held.table().virtual_servers().filter(|v| {
            let key = EntryKey::VirtualServer(v.id.clone());
            !self.delta.contains(&key)
        });
        let used =
            kept.flat_map(|v| v.members.iter().map(move |m| (v, EntryKey::Backend(m.backend.clone()))));
        used.filter(|(_, key)| self.delta.removals.contains(key))
            .map(|(v, key)| (key, Refusal::StillUsed(v.id.to_string())))
            .collect()
    }
}

fn words(outcome: Result<(), Refusal>) -> String {
    outcome.err().map(|refusal| refusal.to_string()).unwrap_or_default()
}

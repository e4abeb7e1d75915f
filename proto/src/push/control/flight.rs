//! The one update that awaits its verdicts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CloseReason, Refusal};
use crate::convert::At;
use crate::digest::{Digests, EntryDigest, TableDigest};
use crate::table::EntryKey;
use crate::wire;

/// An update in flight.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) nonce: u64,
    /// Ids of the key ring that went with it.
    pub(super) session_keys: Option<Vec<String>>,
    version: TableDigest,
    /// What each entry becomes; none: removed.
    awaited: BTreeMap<EntryKey, Option<EntryDigest>>,
    sent_at: Duration,
    is_slow: bool,
}

impl Flight {
    pub(super) fn new(
        nonce: u64,
        version: TableDigest,
        awaited: BTreeMap<EntryKey, Option<EntryDigest>>,
        session_keys: Option<Vec<String>>,
        sent_at: Duration,
    ) -> Self {
        Self { nonce, session_keys, version, awaited, sent_at, is_slow: false }
    }

    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.sent_at)
    }

    /// The age, once, when it has reached `limit`.
    pub(super) fn slow(&mut self, limit: Duration, now: Duration) -> Option<Duration> {
        let age = self.age(now);
        let is_news = age >= limit && !self.is_slow;
        self.is_slow |= is_news;
        is_news.then_some(age)
    }

    /// Takes the verdicts in: accepted entries are held, refused ones remembered and held as before.
    pub(super) fn land(
        &self,
        verdicts: wire::Verdicts,
        holds: &mut Digests,
        refused: &mut BTreeMap<EntryKey, Refusal>,
    ) -> Result<TableDigest, CloseReason> {
        let got = TableDigest::try_from(&verdicts.version[..])
            .map_err(|e| CloseReason::Verdicts(e.within("version")))?;
        if got != self.version {
            return Err(CloseReason::Version { awaited: self.version, got });
        }
        let (mut open, mut taken) = (self.awaited.clone(), Vec::new());
        for (i, verdict) in verdicts.entries.into_iter().enumerate() {
            let key = EntryKey::try_from(verdict.key.unwrap_or_default())
                .at("key")
                .at_item("entries", i)
                .map_err(CloseReason::Verdicts)?;
            let target = open.remove(&key).ok_or_else(|| CloseReason::StrayVerdict(key.clone()))?;
            if verdict.rejected.is_empty() {
                refused.remove(&key);
                taken.push((key, target));
            } else {
                refused.insert(key, Refusal { target, reason: verdict.rejected });
            }
        }
        *holds = holds.with(taken);
        match open.into_keys().next() {
            Some(key) => Err(CloseReason::NoVerdict(key)),
            None => Ok(self.version),
        }
    }
}

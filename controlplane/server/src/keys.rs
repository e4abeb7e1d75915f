//! The session key ring: made here, kept in the state directory, pushed to every node, never logged. With the same
//! ring everywhere a session belongs to no node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use tidegate_proto::keys::{KeyRing, SessionKey};

use crate::state::{StateDir, StateError};

mod file;

/// Name of the file in the state directory.
const FILE: &str = "session-keys";
/// How long a key opens tokens after its successor came: sessions that idle longer start anew.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// A new key opens before it seals, so that no node meets a token of a key that has not reached it.
const LEAD: Duration = Duration::from_secs(60);
/// Keys in the ring, at most.
const MAX_KEYS: usize = 8;

/// The ring with its history, on disk.
#[derive(Debug)]
pub struct KeyStore {
    state: std::sync::Arc<StateDir>,
    rotation: Duration,
    /// Newest first; never empty.
    keys: Vec<DatedKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct DatedKey {
    key: SessionKey,
    created: u64,
}

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no random bytes.
    #[error("no random bytes for a session key")]
    Random,
    /// The ring cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

impl KeyStore {
    /// Loads the ring, or makes one. A file that cannot be understood is set aside: open sessions are lost, which is
    /// less than not serving.
    ///
    /// # Errors
    /// When the ring cannot be read or, being new, not be kept.
    pub fn open(state: std::sync::Arc<StateDir>, rotation: Duration) -> Result<Self, KeyError> {
        let keys = match state.read(FILE)?.map(|bytes| file::decode(&bytes)) {
            Some(Ok(keys)) => keys,
            Some(Err(error)) => {
                tracing::warn!(%error, "session keys unreadable, making new ones: open sessions are lost");
                state.set_aside(FILE);
                Vec::new()
            }
            None => Vec::new(),
        };
        let mut store = Self { state, rotation, keys };
        store.rotate(now())?;
        Ok(store)
    }

    /// The ring as nodes need it now, rotated when that is due.
    ///
    /// # Errors
    /// When a new key cannot be made or kept; the ring stays as it was.
    pub fn current(&mut self) -> Result<KeyRing, KeyError> {
        let now = now();
        self.rotate(now)?;
        Ok(ring_at(&self.keys, now))
    }

    fn rotate(&mut self, now: u64) -> Result<(), KeyError> {
        let mut keys = retire(&self.keys, now);
        if keys.first().is_none_or(|newest| age(newest, now) >= self.rotation) {
            keys.insert(0, DatedKey { key: fresh()?, created: now });
            keys.truncate(MAX_KEYS);
        }
        if keys != self.keys {
            self.state.write(FILE, &file::encode(&keys))?;
            tracing::info!(keys = keys.len(), newest = %keys[0].key.id, "session keys changed");
            self.keys = keys;
        }
        Ok(())
    }
}

/// The ring in the order in which nodes use it: the newest key that has had its lead seals.
fn ring_at(keys: &[DatedKey], now: u64) -> KeyRing {
    let sealing = keys.iter().position(|k| age(k, now) >= LEAD).unwrap_or(keys.len().saturating_sub(1));
    let mut ordered: Vec<SessionKey> = keys.iter().map(|k| k.key.clone()).collect();
    ordered[..=sealing].rotate_right(1);
    KeyRing { keys: ordered }
}

/// The keys that still open: each until [`KEEP`] after the next newer one came.
fn retire(keys: &[DatedKey], now: u64) -> Vec<DatedKey> {
    let successors = keys.iter().map(Some);
    let kept = keys.iter().zip(std::iter::once(None).chain(successors));
    kept.filter(|(_, newer)| newer.is_none_or(|n| age(n, now) < KEEP)).map(|(key, _)| key.clone()).collect()
}

/// Age of a key; none when the clock went backwards.
fn age(key: &DatedKey, now: u64) -> Duration {
    Duration::from_secs(now.saturating_sub(key.created))
}

fn fresh() -> Result<SessionKey, KeyError> {
    let random = SystemRandom::new();
    let (mut id, mut secret) = ([0; 8], [0; 32]);
    random.fill(&mut id).and_then(|()| random.fill(&mut secret)).map_err(|_| KeyError::Random)?;
    Ok(SessionKey { id: file::hex(&id), secret })
}

fn now() -> u64 {
    // A clock before 1970 makes every key old enough to be replaced once it is right again.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
#[path = "keys/tests.rs"]
mod tests;

//! The session key ring: made here, pushed to every node, never logged. With the same ring everywhere a session belongs
//! to no node. It has one of two homes: a file of the state directory, or a Secret that all replicas read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use tidegate_proto::keys::{KeyRing, SessionKey};

use crate::secrets::SecretError;
use crate::state::StateError;

mod dir;
mod file;
mod secret;

pub use dir::KeyStore;
pub use secret::SharedKeys;

/// How long a key opens tokens after its successor came: sessions that idle longer start anew.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// A new key opens before it seals, so that no node meets a token of a key that has not reached it.
const LEAD: Duration = Duration::from_secs(60);
/// Keys in the ring, at most.
const MAX_KEYS: usize = 8;

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
    /// The ring cannot be kept in the state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The Secret cannot be read or written.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The Secret's content. It is left as it is.
    #[error(
        "the Secret {path}, {key}: {source}: repair it, or delete it to get new keys, with which open sessions are lost"
    )]
    Kept {
        /// Where it is.
        path: String,
        /// Key of its data.
        key: &'static str,
        /// What is wrong, without anything of its content.
        source: UnreadableKeys,
    },
    /// The API server took too long.
    #[error("the API server does not answer in time")]
    Slow,
}

/// Why kept keys cannot be used. Says nothing of them.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct UnreadableKeys(#[from] file::FileError);

/// What the keys are to be from `now` on; none: as they are.
fn due(keys: &[DatedKey], rotation: Duration, now: u64) -> Result<Option<Vec<DatedKey>>, KeyError> {
    let mut next = retire(keys, now);
    if next.first().is_none_or(|newest| age(newest, now) >= rotation) {
        next.insert(0, DatedKey { key: fresh()?, created: now });
        next.truncate(MAX_KEYS);
    }
    Ok((next != keys).then_some(next))
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
mod tests;

//! The session key ring: what seals and opens session tokens on every node. Never part of a table, a
//! digest or a log line.

use std::fmt;

use crate::convert::{At, ConvertError, Problem, checks, items};
use crate::wire;

/// Most keys in a ring.
pub const MAX_KEYS: usize = 16;

/// Longest id of a key, in bytes.
pub const MAX_KEY_ID: usize = 64;

/// 1 to [`MAX_KEYS`] keys with different ids. The first seals, all open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    /// In order of preference.
    pub keys: Vec<SessionKey>,
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// Its name, which tokens carry in the clear.
    pub id: String,
    /// 256 random bits.
    pub secret: [u8; 32],
}

impl KeyRing {
    /// The ids in order: what a node says of its ring.
    pub fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|k| k.id.clone()).collect()
    }
}

impl TryFrom<wire::KeyRing> for KeyRing {
    type Error = ConvertError;

    fn try_from(ring: wire::KeyRing) -> Result<Self, ConvertError> {
        if ring.keys.is_empty() {
            return Err(Problem::Empty).at("keys");
        }
        if ring.keys.len() > MAX_KEYS {
            return Err(Problem::TooMany(MAX_KEYS)).at("keys");
        }
        let keys = items("keys", ring.keys, session_key)?;
        for (i, key) in keys.iter().enumerate() {
            if keys[..i].iter().any(|k| k.id == key.id) {
                return Err(Problem::Duplicate).at("id").at_item("keys", i);
            }
        }
        Ok(Self { keys })
    }
}

impl From<&KeyRing> for wire::KeyRing {
    fn from(ring: &KeyRing) -> Self {
        let key = |k: &SessionKey| wire::SessionKey { id: k.id.clone(), secret: k.secret.to_vec() };
        wire::KeyRing { keys: ring.keys.iter().map(key).collect() }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").field("id", &self.id).field("secret", &"(redacted)").finish()
    }
}

fn session_key(key: wire::SessionKey) -> Result<SessionKey, ConvertError> {
    let id = checks::name(key.id).at("id")?;
    if id.len() > MAX_KEY_ID {
        return Err(Problem::TooLarge(MAX_KEY_ID)).at("id");
    }
    let length = Problem::Length { expected: 32, actual: key.secret.len() };
    let secret = key.secret.try_into().map_err(|_| length).at("secret")?;
    Ok(SessionKey { id, secret })
}

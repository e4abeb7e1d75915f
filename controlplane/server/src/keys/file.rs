//! The file form of the key ring: JSON, secrets in hex.

use serde::{Deserialize, Serialize};
use tidegate_proto::keys::SessionKey;

use super::{DatedKey, MAX_KEYS};

const FORMAT: u32 = 1;

/// Why a key file cannot be used. Says nothing of its content.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("not a session key file")]
    Syntax,
    #[error("format {0} is not known")]
    Format(u32),
    #[error("holds no key or too many")]
    Count,
    #[error("key {0} is malformed")]
    Key(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    keys: Vec<Key>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    secret: String,
    created_unix: u64,
}

pub(super) fn encode(keys: &[DatedKey]) -> Vec<u8> {
    let key =
        |k: &DatedKey| Key { id: k.key.id.clone(), secret: hex(&k.key.secret), created_unix: k.created };
    let file = File { format: FORMAT, keys: keys.iter().map(key).collect() };
    serde_json::to_vec_pretty(&file).expect("strings and numbers are JSON")
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<DatedKey>, FileError> {
    // The error of serde_json could quote a secret.
    let file: File = serde_json::from_slice(bytes).map_err(|_| FileError::Syntax)?;
    if file.format != FORMAT {
        return Err(FileError::Format(file.format));
    }
    if file.keys.is_empty() || file.keys.len() > MAX_KEYS {
        return Err(FileError::Count);
    }
    file.keys.into_iter().enumerate().map(|(i, key)| dated(key).ok_or(FileError::Key(i))).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn dated(key: Key) -> Option<DatedKey> {
    let well_named = (1..=64).contains(&key.id.len()) && key.id.bytes().all(|b| b.is_ascii_alphanumeric());
    let secret = unhex(&key.secret).filter(|_| well_named)?;
    Some(DatedKey { key: SessionKey { id: key.id, secret }, created: key.created_unix })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut secret = [0; 32];
    if digits.len() != 2 * secret.len() {
        return None;
    }
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(secret)
}

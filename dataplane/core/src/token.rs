//! The sealed `Mcp-Session-Id`: a session that belongs to no node (architecture, decision 7).
//!
//! A token is base64url without padding of
//! `format(1) key(4) nonce(12) AES-256-GCM(session) tag(16)`; the additional data binds the clear bytes and the
//! virtual server. `key` is the head of the SHA-256 of the key's id. Every node with the ring opens it. Format 1, which named
//! no endpoints, is still opened.

mod session;

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::table::VirtualServerId;

pub use session::{Binding, McpSession, backend_hash};

/// Longest token in bytes: what common servers and proxies take as one header value.
pub const MAX_TOKEN: usize = 4096;

/// Longest `clientInfo` that a session carries, in bytes of JSON.
pub const MAX_CLIENT_INFO: usize = 512;

const FORMAT: u8 = 2;
/// The oldest that is opened.
const OLDEST_FORMAT: u8 = 1;
/// Formats to come. No more than these: the first byte of somebody else's session id (a UUID) lies above.
const NEWER_FORMATS: RangeInclusive<u8> = FORMAT + 1..=31;
const KEY_LEN: usize = 4;
const CLEAR: usize = 1 + KEY_LEN + NONCE_LEN;
const TAG: usize = 16;
/// Decoded bytes of the longest token.
const MAX_SEALED: usize = MAX_TOKEN / 4 * 3;

/// Seals and opens session tokens with a key ring.
pub struct Sealer {
    /// In the ring's order: the first seals.
    keys: Vec<Key>,
}

struct Key {
    id: [u8; KEY_LEN],
    aead: LessSafeKey,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is no token of this format.
    #[error("session token is malformed")]
    Malformed,
    /// The key that sealed it is not in the ring.
    #[error("session token is sealed with an unknown key")]
    UnknownKey,
    /// It was altered, or issued for another virtual server.
    #[error("session token is not genuine")]
    Forged,
    /// It is past its time.
    #[error("session token has expired")]
    Expired,
    /// A later release sealed it.
    #[error("session token has a newer format")]
    NewerFormat,
}

impl Sealer {
    /// # Panics
    /// On an empty ring, which the conversion from the wire refuses.
    pub fn new(ring: &KeyRing) -> Self {
        assert!(!ring.keys.is_empty(), "a key ring holds at least one key");
        Self { keys: ring.keys.iter().map(Key::new).collect() }
    }

    /// The token of a session of `vs`. `nonce` must be random and is used once. The token is longer than
    /// [`MAX_TOKEN`], and so refused by [`Self::open`], unless [`McpSession::fit`] was called.
    pub fn seal(&self, vs: &VirtualServerId, session: &McpSession, nonce: [u8; NONCE_LEN]) -> String {
        let key = self.keys.first().expect("a key ring holds at least one key");
        let mut out = Vec::with_capacity(sealed_len(session.encoded_len()));
        out.push(FORMAT);
        out.extend_from_slice(&key.id);
        out.extend_from_slice(&nonce);
        session.encode(&mut out);
        let aad = binding_data(vs, &out[..CLEAR]);
        let tag = key
            .aead
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut out[CLEAR..])
            .expect("a session is smaller than what AES-GCM seals");
        out.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(out)
    }

    /// The session that a token of `vs` carries. Allocates the session alone.
    pub fn open(&self, vs: &VirtualServerId, token: &[u8], now_unix: u64) -> Result<McpSession, OpenError> {
        let id = key_id(token)?;
        let mut refusal = OpenError::UnknownKey;
        let mut buffer = [0; MAX_SEALED];
        for key in self.keys.iter().filter(|k| k.id == id) {
            // again for each key: a failed attempt leaves nothing usable in the buffer
            let length =
                URL_SAFE_NO_PAD.decode_slice(token, &mut buffer).map_err(|_| OpenError::Malformed)?;
            match key.open(vs, &mut buffer[..length]) {
                Ok(session) if session.expires_unix <= now_unix => return Err(OpenError::Expired),
                Err(OpenError::Forged) => refusal = OpenError::Forged,
                other => return other,
            }
        }
        Err(refusal)
    }
}

impl McpSession {
    /// Drops bindings from the end until the sealed token fits [`MAX_TOKEN`], and `client_info` when it is longer
    /// than [`MAX_CLIENT_INFO`]. Returns how many bindings were dropped: those backends open lazily.
    pub fn fit(&mut self) -> usize {
        if self.client_info.len() > MAX_CLIENT_INFO {
            self.client_info = Box::default();
        }
        let before = self.bindings.len();
        let mut length = sealed_len(self.encoded_len());
        while length > MAX_SEALED {
            let Some(last) = self.bindings.pop() else { break };
            length -= last.encoded_len();
        }
        before - self.bindings.len()
    }
}

impl Key {
    fn new(key: &SessionKey) -> Self {
        let hash = digest::digest(&digest::SHA256, key.id.as_bytes());
        let id = hash.as_ref()[..KEY_LEN].try_into().expect("a SHA-256 has 32 bytes");
        let unbound = UnboundKey::new(&AES_256_GCM, &key.secret).expect("an AES-256 key has 32 bytes");
        Self { id, aead: LessSafeKey::new(unbound) }
    }

    /// Opens a decoded token in place.
    fn open(&self, vs: &VirtualServerId, token: &mut [u8]) -> Result<McpSession, OpenError> {
        let (clear, sealed) = token.split_at_mut_checked(CLEAR).ok_or(OpenError::Malformed)?;
        let format = clear[0];
        let nonce =
            Nonce::try_assume_unique_for_key(&clear[1 + KEY_LEN..]).map_err(|_| OpenError::Malformed)?;
        let plain = self.aead.open_in_place(nonce, binding_data(vs, clear), sealed);
        // what is genuine but does not decode was sealed by a bug, not by a stranger
        McpSession::decode(plain.map_err(|_| OpenError::Forged)?, format).ok_or(OpenError::Malformed)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// The key id in the head of a token, once the format is known to be ours.
fn key_id(token: &[u8]) -> Result<[u8; KEY_LEN], OpenError> {
    if token.len() > MAX_TOKEN {
        return Err(OpenError::Malformed);
    }
    // eight characters are six bytes: the format, the key id and one byte of the nonce
    let mut head = [0; 6];
    let text = token.get(..8).ok_or(OpenError::Malformed)?;
    URL_SAFE_NO_PAD.decode_slice(text, &mut head).map_err(|_| OpenError::Malformed)?;
    match head {
        [OLDEST_FORMAT..=FORMAT, id @ .., _] => Ok(id),
        [format, ..] if NEWER_FORMATS.contains(&format) => Err(OpenError::NewerFormat),
        _ => Err(OpenError::Malformed),
    }
}

/// What a token is bound to: its clear bytes and the virtual server, hashed for a fixed length.
fn binding_data(vs: &VirtualServerId, clear: &[u8]) -> Aad<digest::Digest> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"tidegate session\0");
    hash.update(clear);
    hash.update(&(vs.namespace.len() as u64).to_be_bytes());
    hash.update(vs.namespace.as_bytes());
    hash.update(vs.name.as_bytes());
    Aad::from(hash.finish())
}

fn sealed_len(plain: usize) -> usize {
    CLEAR + plain + TAG
}

#[cfg(test)]
mod tests;

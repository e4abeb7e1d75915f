//! Last-known-good as bytes: what a node boots from when no control plane answers. A header names the
//! kind, the format and the length, a checksum covers the body, so that every kind of damage is told
//! from the others. Session keys go into a file of their own, which only the node may read.

use std::sync::Arc;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::convert::ConvertError;
use crate::digest::EntryDigest;
use crate::keys::KeyRing;
use crate::table::{Entry, EntryKey, Table};
use crate::wire;

const TABLE_MAGIC: &[u8; 8] = b"TGTABLE\n";
const KEYS_MAGIC: &[u8; 8] = b"TGKEYS\0\n";

/// Format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// Magic (8), format (4), length of the body (8), SHA-256 of format and body (32); numbers big-endian.
const HEADER: usize = 52;

/// Why bytes are no last-known-good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersistError {
    /// Another kind of file, or none.
    #[error("does not begin with the mark of its kind")]
    Magic,
    /// Written by a newer version.
    #[error("has format {found}; this version reads up to format {FORMAT}")]
    NewerFormat {
        /// The format of the file.
        found: u32,
    },
    /// Cut off.
    #[error("is truncated: {actual} bytes of {expected}")]
    Truncated {
        /// What the header says, or the length of the header.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// Something follows the body.
    #[error("has {0} bytes after its end")]
    Trailing(u64),
    /// The body is not what was written.
    #[error("has a wrong checksum")]
    Checksum,
    /// The body is no message.
    #[error("has a body that cannot be decoded")]
    Body(#[source] prost::DecodeError),
    /// An entry has no meaning to this version.
    #[error("has an entry that cannot be read: {0}")]
    Entry(ConvertError),
    /// An entry does not have the digest that stands beside it.
    #[error("has an entry of another digest: {0}")]
    EntryDigest(EntryKey),
    /// An entry stands under two positions.
    #[error("has an entry twice: {0}")]
    EntryTwice(EntryKey),
    /// The key ring has no meaning.
    #[error("has a key ring that cannot be read: {0}")]
    KeyRing(ConvertError),
}

/// The body of a table file.
#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Item>,
    #[prost(uint64, tag = "2")]
    epoch: u64,
}

/// A table, and how new the view is that it was compiled from (0: not known).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The table.
    pub table: Table,
    /// Of the update that brought it.
    pub epoch: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(bytes = "vec", tag = "1")]
    digest: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    entry: Option<wire::Entry>,
}

/// The bytes of a table.
pub fn encode(table: &Table, epoch: u64) -> Vec<u8> {
    let item = |entry: &Arc<Entry>| Item {
        digest: EntryDigest::of(entry).as_bytes().to_vec(),
        entry: Some(wire::Entry::from(&**entry)),
    };
    let body = Body { entries: table.entries.values().map(item).collect(), epoch };
    frame(TABLE_MAGIC, &body.encode_to_vec())
}

/// The table that the bytes hold.
pub fn decode(bytes: &[u8]) -> Result<Saved, PersistError> {
    let body = Body::decode(unframe(TABLE_MAGIC, bytes)?).map_err(PersistError::Body)?;
    let (mut table, epoch) = (Table::default(), body.epoch);
    for item in body.entries {
        let entry = Entry::try_from(item.entry.unwrap_or_default()).map_err(PersistError::Entry)?;
        let key = entry.key();
        if EntryDigest::of(&entry).as_bytes()[..] != item.digest {
            return Err(PersistError::EntryDigest(key));
        }
        if table.insert(entry).is_some() {
            return Err(PersistError::EntryTwice(key));
        }
    }
    Ok(Saved { table, epoch })
}

/// The bytes of a key ring, for a file that nobody else may read.
pub fn encode_keys(ring: &KeyRing) -> Vec<u8> {
    frame(KEYS_MAGIC, &wire::KeyRing::from(ring).encode_to_vec())
}

/// The key ring that the bytes hold.
pub fn decode_keys(bytes: &[u8]) -> Result<KeyRing, PersistError> {
    let ring = wire::KeyRing::decode(unframe(KEYS_MAGIC, bytes)?).map_err(PersistError::Body)?;
    KeyRing::try_from(ring).map_err(PersistError::KeyRing)
}

fn frame(magic: &[u8; 8], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(magic);
    bytes.extend_from_slice(&FORMAT.to_be_bytes());
    bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
    bytes.extend_from_slice(&checksum(FORMAT, body));
    bytes.extend_from_slice(body);
    bytes
}

fn unframe<'a>(magic: &[u8; 8], bytes: &'a [u8]) -> Result<&'a [u8], PersistError> {
    let mark = &bytes[..bytes.len().min(magic.len())];
    if !magic.starts_with(mark) {
        return Err(PersistError::Magic);
    }
    let actual = bytes.len() as u64;
    let truncated = |expected| PersistError::Truncated { expected, actual };
    let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(|| truncated(HEADER as u64))?;
    let found = u32::from_be_bytes(field(header, 8));
    if found > FORMAT {
        return Err(PersistError::NewerFormat { found });
    }
    let length = u64::from_be_bytes(field(header, 12));
    let here = body.len() as u64;
    if here < length {
        return Err(truncated(length.saturating_add(HEADER as u64)));
    }
    if here > length {
        return Err(PersistError::Trailing(here - length));
    }
    if checksum(found, body) != field::<32>(header, 20) {
        return Err(PersistError::Checksum);
    }
    Ok(body)
}

/// Covers the format too: a flipped bit there must not pass as an older format.
fn checksum(format: u32, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(format.to_be_bytes()).chain_update(body).finalize().into()
}

fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    header[at..at + N].try_into().expect("the header has its full length")
}

//! Digests over the canonical encoding: two nodes that hold equal digests hold equal meaning.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::convert::{ConvertError, Problem};
use crate::table::{Entry, EntryKey, Table};
use crate::wire;

/// SHA-256 over the canonical wire encoding of an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryDigest([u8; 32]);

/// SHA-256 over the keys and digests of a table, in key order: the version of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableDigest([u8; 32]);

/// The digests of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Of each entry.
    pub entries: BTreeMap<EntryKey, EntryDigest>,
    /// Of the whole.
    pub version: TableDigest,
}

impl EntryDigest {
    /// Computes the digest of an entry.
    pub fn of(entry: &Entry) -> Self {
        Self(Sha256::digest(wire::Entry::from(entry).encode_to_vec()).into())
    }
}

impl TableDigest {
    /// Computes the digest of a table.
    pub fn of(table: &Table) -> Self {
        Digests::of(table).version
    }

    /// Computes the digest of a table whose entries have these digests.
    pub fn of_entries<'a>(entries: impl IntoIterator<Item = (&'a EntryKey, &'a EntryDigest)>) -> Self {
        let mut hash = Sha256::new();
        for (key, digest) in entries {
            // the length of the name keeps ("ab", ..) and ("a", "b"..) apart
            let key = wire::EntryKey::from(key);
            hash.update(key.kind.to_be_bytes());
            hash.update((key.name.len() as u64).to_be_bytes());
            hash.update(key.name.as_bytes());
            hash.update(digest.0);
        }
        Self(hash.finalize().into())
    }
}

impl Digests {
    /// Computes all digests of a table.
    pub fn of(table: &Table) -> Self {
        Self::from_entries(table.entries.iter().map(|(k, e)| (k.clone(), EntryDigest::of(e))).collect())
    }

    /// As [`Digests::of`], taking over the digests of the entries that `table` shares with `previous`
    /// (whose digests these are): a step that changes few entries costs little.
    pub fn next(&self, previous: &Table, table: &Table) -> Self {
        let digest = |key: &EntryKey, entry: &Arc<Entry>| match previous.entries.get(key) {
            Some(old) if Arc::ptr_eq(old, entry) => self.entries.get(key).copied(),
            _ => None,
        };
        let entries = table
            .entries
            .iter()
            .map(|(key, entry)| (key.clone(), digest(key, entry).unwrap_or_else(|| EntryDigest::of(entry))));
        Self::from_entries(entries.collect())
    }

    /// From the digests of the entries.
    pub fn from_entries(entries: BTreeMap<EntryKey, EntryDigest>) -> Self {
        let version = TableDigest::of_entries(&entries);
        Self { entries, version }
    }
}

macro_rules! digest_text {
    ($digest:ident) => {
        impl $digest {
            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first twelve hex digits, for people and logs.
            pub fn short(&self) -> String {
                self.0[..6].iter().map(|b| format!("{b:02x}")).collect()
            }
        }

        impl From<[u8; 32]> for $digest {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl TryFrom<&[u8]> for $digest {
            type Error = ConvertError;

            /// The path of the error is empty but for the word `digest`: callers put theirs in front.
            fn try_from(bytes: &[u8]) -> Result<Self, ConvertError> {
                let problem = Problem::Length { expected: 32, actual: bytes.len() };
                let bytes = bytes.try_into().map_err(|_| ConvertError { path: "digest".into(), problem })?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $digest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $digest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($digest), "({})"), self.short())
            }
        }
    };
}

digest_text!(EntryDigest);
digest_text!(TableDigest);

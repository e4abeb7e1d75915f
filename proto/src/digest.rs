//! Digests over the canonical encoding: two nodes that hold equal digests hold equal meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::convert::{ConvertError, Problem};
use crate::delta::Delta;
use crate::table::{Entry, EntryKey, Table};
use crate::wire;

/// SHA-256 over the canonical wire encoding of an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryDigest([u8; 32]);

/// SHA-256 over the digests of a table's buckets ([`Digests`]): the version of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableDigest([u8; 32]);

/// The digests of one table: of each entry, and of the whole. Entries are spread over buckets by their keys, each bucket has a digest, and
/// the whole is digested over those: a step that changes few entries costs little, and tables are compared bucket by bucket. Buckets that
/// did not change are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    buckets: Vec<Arc<Bucket>>,
    version: TableDigest,
}

/// Digests of some entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bucket {
    entries: BTreeMap<EntryKey, EntryDigest>,
    /// Over the keys and digests, in the order of keys; of no entries: zeros.
    digest: [u8; 32],
}

/// Into how many buckets entries are spread: a part of the format of table digests.
const BUCKETS: usize = 256;

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
}

impl Default for Digests {
    /// Of the empty table.
    fn default() -> Self {
        Self::from_buckets(vec![Arc::default(); BUCKETS])
    }
}

impl FromIterator<(EntryKey, EntryDigest)> for Digests {
    fn from_iter<I: IntoIterator<Item = (EntryKey, EntryDigest)>>(entries: I) -> Self {
        Self::default().with(entries.into_iter().map(|(key, digest)| (key, Some(digest))))
    }
}

impl Digests {
    /// Computes all digests of a table.
    pub fn of(table: &Table) -> Self {
        table.entries.iter().map(|(key, entry)| (key.clone(), EntryDigest::of(entry))).collect()
    }

    /// The digests of the table to which the step leads from the one whose digests these are.
    pub fn after(&self, step: &Delta) -> Self {
        let upserts = step.upserts.iter().map(|(key, entry)| (key.clone(), Some(EntryDigest::of(entry))));
        self.with(upserts.chain(step.removals.iter().map(|key| (key.clone(), None))))
    }

    /// With other digests for these entries; none: the entry is gone.
    pub fn with(&self, changes: impl IntoIterator<Item = (EntryKey, Option<EntryDigest>)>) -> Self {
        let (mut buckets, mut touched) = (self.buckets.clone(), BTreeSet::new());
        for (key, digest) in changes {
            let place = place(&key);
            touched.insert(place);
            let entries = &mut Arc::make_mut(&mut buckets[place]).entries;
            match digest {
                Some(digest) => entries.insert(key, digest),
                None => entries.remove(&key),
            };
        }
        if touched.is_empty() {
            return self.clone();
        }
        for place in touched {
            Arc::make_mut(&mut buckets[place]).seal();
        }
        Self::from_buckets(buckets)
    }

    /// The digest of one entry, if it is there.
    pub fn get(&self, key: &EntryKey) -> Option<&EntryDigest> {
        self.buckets[place(key)].entries.get(key)
    }

    /// Keys and digests, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryKey, &EntryDigest)> {
        self.buckets.iter().flat_map(|bucket| &bucket.entries)
    }

    /// The digest of the whole.
    pub fn version(&self) -> TableDigest {
        self.version
    }

    /// The entries of `other` that these have not, or with another digest. Of equal buckets nothing is looked at.
    pub fn news<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a EntryKey> {
        self.unequal(other).flat_map(|(own, other)| {
            other
                .entries
                .iter()
                .filter(|(key, digest)| own.entries.get(*key) != Some(digest))
                .map(|(key, _)| key)
        })
    }

    /// The entries that `other` has no more.
    pub fn gone<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a EntryKey> {
        self.unequal(other)
            .flat_map(|(own, other)| own.entries.keys().filter(|key| !other.entries.contains_key(*key)))
    }

    fn unequal<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Bucket, &'a Bucket)> {
        let pairs = self.buckets.iter().zip(&other.buckets).map(|(own, other)| (&**own, &**other));
        pairs.filter(|(own, other)| own.digest != other.digest)
    }

    fn from_buckets(buckets: Vec<Arc<Bucket>>) -> Self {
        let mut hash = Sha256::new();
        for (place, bucket) in (0_u32..).zip(&buckets).filter(|(_, bucket)| !bucket.entries.is_empty()) {
            hash.update(place.to_be_bytes());
            hash.update(bucket.digest);
        }
        let version = TableDigest(hash.finalize().into());
        Self { buckets, version }
    }
}

impl Bucket {
    fn seal(&mut self) {
        if self.entries.is_empty() {
            self.digest = [0; 32];
            return;
        }
        let mut hash = Sha256::new();
        for (key, digest) in &self.entries {
            // the length of the name keeps ("ab", ..) and ("a", "b"..) apart
            let key = wire::EntryKey::from(key);
            hash.update(key.kind.to_be_bytes());
            hash.update((key.name.len() as u64).to_be_bytes());
            hash.update(key.name.as_bytes());
            hash.update(digest.0);
        }
        self.digest = hash.finalize().into();
    }
}

/// The bucket of a key.
fn place(key: &EntryKey) -> usize {
    let digest = match key {
        EntryKey::Backend(id) => fnv(&["backend", id.as_str()]),
        EntryKey::VirtualServer(id) => fnv(&["virtual server", &id.namespace, &id.name]),
    };
    digest as usize % BUCKETS
}

/// A digest that spreads names evenly and is the same in every process and release, not for secrets: FNV-1a over parts, each ended by a
/// byte that no name contains.
pub fn fnv(parts: &[&str]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0x811c_9dc5, |digest, byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
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

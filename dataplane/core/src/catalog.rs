//! The tools that a virtual server offers, ready to send: made from its backends' lists when they or the configuration
//! change, never on a request (architecture, decision 5).

mod contribution;
mod merge;
mod notes;
mod resolve;
mod shape;
mod splice;

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use ring::digest;

pub use contribution::{
    Contribution, ContributionError, MAX_CONTRIBUTION_BYTES, MAX_NAME_BYTES, MAX_TOOL_BYTES, MAX_TOOLS,
};
pub use merge::merge;

/// One virtual server's tools as its clients see them. Immutable.
pub struct Catalog {
    list: Box<[u8]>,
    /// By exposed name.
    tools: Vec<ExposedTool>,
    by_name: HashTable<u32>,
    hasher: DefaultHashBuilder,
    digest: [u8; 32],
    conflicts: Vec<String>,
}

/// A tool that clients may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedTool {
    /// Index of its backend in `VirtualServer.members`.
    pub member: u16,
    /// Its name towards clients.
    pub exposed: Box<str>,
    /// Its name at the backend.
    pub native: Box<str>,
    /// The native name as the inside of a JSON string.
    pub native_json: Box<[u8]>,
    /// The beginning of its description, for reports.
    pub description: Box<str>,
}

impl Catalog {
    /// The `result` object of `tools/list` without pagination, as one JSON value. It may contain line breaks where a
    /// backend's list has them between tokens: a writer of SSE has to split its `data` there.
    pub fn list(&self) -> &[u8] {
        &self.list
    }

    /// The tool of this exposed name, unescaped. Allocates nothing.
    pub fn tool(&self, exposed: &[u8]) -> Option<&ExposedTool> {
        let is = |&i: &u32| self.tools[i as usize].exposed.as_bytes() == exposed;
        self.by_name.find(self.hasher.hash_one(exposed), is).map(|&i| &self.tools[i as usize])
    }

    /// The tools by exposed name.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &ExposedTool> {
        self.tools.iter()
    }

    /// Changes exactly when [`Self::list`] does: when clients are told `list_changed`.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What was left out or renamed apart because of equal names, a sentence each, for the status. Bounded.
    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// `tools`: by exposed name, which are unique, each with its definition.
    fn build(tools: Vec<(ExposedTool, String)>, conflicts: Vec<String>) -> Self {
        let mut list = Vec::with_capacity(tools.iter().map(|(_, json)| json.len() + 1).sum::<usize>() + 16);
        list.extend_from_slice(br#"{"tools":["#);
        for (i, (_, json)) in tools.iter().enumerate() {
            if i > 0 {
                list.push(b',');
            }
            list.extend_from_slice(json.as_bytes());
        }
        list.extend_from_slice(b"]}");
        let tools: Vec<_> = tools.into_iter().map(|(tool, _)| tool).collect();
        let hasher = DefaultHashBuilder::default();
        let by_name = index(&tools, &hasher);
        Self { digest: sha256(&list), list: list.into(), tools, by_name, hasher, conflicts }
    }
}

impl Default for Catalog {
    /// No tools.
    fn default() -> Self {
        Self::build(Vec::new(), Vec::new())
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("tools", &self.tools.len())
            .field("bytes", &self.list.len())
            .field("conflicts", &self.conflicts)
            .finish_non_exhaustive()
    }
}

fn index(tools: &[ExposedTool], hasher: &DefaultHashBuilder) -> HashTable<u32> {
    let hash = |&i: &u32| hasher.hash_one(tools[i as usize].exposed.as_bytes());
    let mut by_name = HashTable::with_capacity(tools.len());
    for i in 0..tools.len() {
        let i = u32::try_from(i).expect("contributions are bounded");
        by_name.insert_unique(hash(&i), i, hash);
    }
    by_name
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests;

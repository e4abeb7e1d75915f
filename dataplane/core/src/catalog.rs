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
use std::ops::Range;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use ring::digest;

use crate::json;

pub use contribution::{
    Contribution, ContributionError, MAX_CONTRIBUTION_BYTES, MAX_NAME_BYTES, MAX_TOOL_BYTES, MAX_TOOLS,
};
pub use merge::merge;

/// One virtual server's tools as its clients see them. Immutable.
pub struct Catalog {
    list: Listing,
    /// By exposed name.
    tools: Vec<ExposedTool>,
    /// Where each tool's definition stands in `list`.
    definitions: Vec<Range<usize>>,
    by_name: HashTable<u32>,
    hasher: DefaultHashBuilder,
    conflicts: Vec<String>,
}

/// The answer to `tools/list`, ready to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Listing {
    bytes: Arc<[u8]>,
    digest: [u8; 32],
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
    /// Marked read-only or idempotent: calling it twice does what calling it once does.
    pub repeatable: bool,
}

/// Key of a result's `_meta` under which workloads are named that it lacks (spec 5.6).
pub const MISSING_BACKENDS: &str = "dev.tidegate/missingBackends";

impl Catalog {
    /// The answer with every tool.
    pub fn list(&self) -> &Listing {
        &self.list
    }

    /// The answer without the tools of the members for which `hidden` holds, with `missing` named in `_meta`. Names and
    /// definitions of the other tools stay as they are: a backend that is down renames nothing.
    pub fn list_without(&self, hidden: impl Fn(u16) -> bool, missing: &[&str]) -> Listing {
        if missing.is_empty() && !self.tools.iter().any(|tool| hidden(tool.member)) {
            return self.list.clone();
        }
        let shown = self.tools.iter().zip(&self.definitions).filter(|(tool, _)| !hidden(tool.member));
        // what the bytes depend on, which is far less than the bytes
        let mut depends = self.list.digest.to_vec();
        for tool in self.tools.iter().filter(|tool| hidden(tool.member)) {
            depends.extend_from_slice(&tool.member.to_le_bytes());
        }
        missing.iter().for_each(|name| depends.extend_from_slice(json::quoted(name).as_bytes()));
        let mut list = Vec::with_capacity(self.list.bytes.len() + 64);
        write_tools(&mut list, shown.map(|(_, at)| &self.list.bytes[at.clone()]));
        if !missing.is_empty() {
            list.extend_from_slice(b",");
            list.extend_from_slice(missing_meta(missing).as_bytes());
        }
        list.push(b'}');
        Listing { digest: sha256(&depends), bytes: list.into() }
    }

    /// The tool of this exposed name, unescaped. Allocates nothing.
    pub fn tool(&self, exposed: &[u8]) -> Option<&ExposedTool> {
        self.position(exposed).map(|i| &self.tools[i])
    }

    /// Where that tool stands in [`Catalog::tools`]. Allocates nothing.
    pub fn position(&self, exposed: &[u8]) -> Option<usize> {
        let is = |&i: &u32| self.tools[i as usize].exposed.as_bytes() == exposed;
        self.by_name.find(self.hasher.hash_one(exposed), is).map(|&i| i as usize)
    }

    /// The tool at a position.
    pub fn at(&self, position: usize) -> Option<&ExposedTool> {
        self.tools.get(position)
    }

    /// The tools by exposed name.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &ExposedTool> {
        self.tools.iter()
    }

    /// What was left out or renamed apart because of equal names, a sentence each, for the status. Bounded.
    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// `tools`: by exposed name, which are unique, each with its definition.
    fn build(tools: Vec<(ExposedTool, String)>, conflicts: Vec<String>) -> Self {
        let mut list = Vec::with_capacity(tools.iter().map(|(_, json)| json.len() + 1).sum::<usize>() + 16);
        let definitions = write_tools(&mut list, tools.iter().map(|(_, json)| json.as_bytes()));
        list.push(b'}');
        let tools: Vec<_> = tools.into_iter().map(|(tool, _)| tool).collect();
        let hasher = DefaultHashBuilder::default();
        let by_name = index(&tools, &hasher);
        Self { list: Listing::new(list), tools, definitions, by_name, hasher, conflicts }
    }
}

impl Listing {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: sha256(&bytes), bytes: bytes.into() }
    }

    /// The `result` object of `tools/list` without pagination, as one JSON value. It may contain line breaks where a
    /// backend's list has them between tokens: a writer of SSE has to split its `data` there.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Changes exactly when the bytes do: when clients are told `list_changed`.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// `"_meta":{...}` that names workloads which a result lacks.
pub fn missing_meta(missing: &[&str]) -> String {
    let names: Vec<_> = missing.iter().map(|name| json::quoted(name)).collect();
    format!(r#""_meta":{{"{MISSING_BACKENDS}":[{}]}}"#, names.join(","))
}

/// Writes `{"tools":[...]`; where each definition stands in `list`.
fn write_tools<'a>(list: &mut Vec<u8>, definitions: impl Iterator<Item = &'a [u8]>) -> Vec<Range<usize>> {
    list.extend_from_slice(br#"{"tools":["#);
    let mut places = Vec::new();
    for (i, json) in definitions.enumerate() {
        if i > 0 {
            list.push(b',');
        }
        places.push(list.len()..list.len() + json.len());
        list.extend_from_slice(json);
    }
    list.push(b']');
    places
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
            .field("bytes", &self.list.bytes.len())
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

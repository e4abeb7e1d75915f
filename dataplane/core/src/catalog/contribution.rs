//! One backend's tools as it listed them, checked and bounded: a bad tool is left out, not the list.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use ring::digest;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::notes::Notes;
use super::{shape, splice};
use crate::json;

/// Most tools of one backend.
pub const MAX_TOOLS: usize = 10_000;

/// Longest definition of a tool, in bytes of JSON.
pub const MAX_TOOL_BYTES: usize = 256 * 1024;

/// Most bytes of JSON that one backend's tools may have together.
pub const MAX_CONTRIBUTION_BYTES: usize = 16 * 1024 * 1024;

/// Longest name of a tool, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// How many characters of a description are kept for reports.
const DESCRIPTION_CHARS: usize = 200;

/// One backend's tools. Immutable; shared by all virtual servers that have the backend.
pub struct Contribution {
    /// By name, which is unique.
    pub(super) tools: Vec<NativeTool>,
    digest: [u8; 32],
    warnings: Vec<String>,
}

/// A tool as its backend describes it.
pub(super) struct NativeTool {
    pub(super) name: Box<str>,
    /// The definition, an object, as sent.
    pub(super) json: Box<str>,
    /// Where the value of `name` stands in `json`.
    pub(super) name_at: Range<usize>,
    pub(super) description: Box<str>,
}

/// Why a backend's list cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ContributionError {
    /// A page is no `result` of `tools/list`. The text never repeats what the backend sent.
    #[error("page {page}: not an object with an array `tools` (line {line}, column {column})")]
    Page {
        /// From 1.
        page: usize,
        /// Where reading ended, from 1.
        line: usize,
        /// Where reading ended, from 1.
        column: usize,
    },
}

impl Contribution {
    /// Reads the pages of a `tools/list`, each the `result` object of one answer.
    pub fn parse(pages: &[Vec<u8>]) -> Result<Self, ContributionError> {
        let mut builder = Builder::default();
        for (i, page) in pages.iter().enumerate() {
            let page: Page<'_> = serde_json::from_slice(page).map_err(|e| ContributionError::Page {
                page: i + 1,
                line: e.line(),
                column: e.column(),
            })?;
            builder.page(page.tools);
        }
        Ok(builder.finish())
    }

    /// Digest of the tools, whatever their order and pages: unchanged means that there is nothing to merge.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// How many tools it has.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether it has no tools.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The native names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tools.iter().map(|t| &*t.name)
    }

    /// What was left out and why, a sentence each. Bounded.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl NativeTool {
    fn parse(json: &str) -> Result<Self, &'static str> {
        if json.len() > MAX_TOOL_BYTES {
            return Err("is too large");
        }
        shape::check(json)?;
        let fields = splice::fields(json).map_err(|_| "is not an object")?;
        let mut seen = HashSet::new();
        if !fields.iter().all(|f| seen.insert(f.key.as_str())) {
            return Err("has a field twice");
        }
        let text = |key| fields.iter().find(|f| f.key == key).map(|f| (f, string(&json[f.value.clone()])));
        let (field, name) = text("name").ok_or("has no name")?;
        let name = name.ok_or("has a name that is not a string")?;
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err("has an empty or too long name");
        }
        let description = text("description").and_then(|(_, d)| d).unwrap_or_default();
        Ok(Self {
            name: name.into(),
            name_at: field.value.clone(),
            description: summary(&description),
            json: json.into(),
        })
    }
}

impl fmt::Debug for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contribution")
            .field("tools", &self.tools.len())
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// The part of a description that reports show.
pub(super) fn summary(description: &str) -> Box<str> {
    json::cut(description, DESCRIPTION_CHARS).into()
}

#[derive(Default)]
struct Builder {
    tools: Vec<NativeTool>,
    names: HashSet<Box<str>>,
    bytes: usize,
    /// How many tools were seen, also bad ones.
    seen: usize,
    warnings: Notes,
}

impl Builder {
    fn page(&mut self, page: Tools<'_>) {
        for raw in page.read {
            self.seen += 1;
            if let Err(why) = self.tool(raw.get()) {
                self.warnings.push(format!("tool {} {why}", self.seen));
            }
        }
        if page.unread > 0 {
            self.warnings.push(format!("{} tools are beyond the limit of {MAX_TOOLS}", page.unread));
        }
    }

    fn tool(&mut self, json: &str) -> Result<(), String> {
        if self.tools.len() == MAX_TOOLS || self.bytes + json.len() > MAX_CONTRIBUTION_BYTES {
            return Err("is beyond the limit of tools or bytes".to_owned());
        }
        let tool = NativeTool::parse(json)?;
        if !self.names.insert(tool.name.clone()) {
            return Err(format!("repeats the name {}", json::quoted(&json::cut(&tool.name, 64))));
        }
        self.bytes += json.len();
        self.tools.push(tool);
        Ok(())
    }

    fn finish(mut self) -> Contribution {
        self.tools.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hash = digest::Context::new(&digest::SHA256);
        for tool in &self.tools {
            hash.update(&(tool.json.len() as u64).to_be_bytes());
            hash.update(tool.json.as_bytes());
        }
        let digest = hash.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes");
        Contribution { tools: self.tools, digest, warnings: self.warnings.finish() }
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tools: Tools<'a>,
}

/// The array of a page: at most [`MAX_TOOLS`] elements are kept, so that a page of tiny elements costs no more.
struct Tools<'a> {
    read: Vec<&'a RawValue>,
    unread: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Tools<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> Visitor<'de> for Elements {
            type Value = Tools<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut tools = Tools { read: Vec::new(), unread: 0 };
                while tools.read.len() < MAX_TOOLS {
                    let Some(element) = seq.next_element()? else { return Ok(tools) };
                    tools.read.push(element);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    tools.unread += 1;
                }
                Ok(tools)
            }
        }

        reader.deserialize_seq(Elements)
    }
}

fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

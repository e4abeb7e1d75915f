//! The tools that a mock offers, with the pages of `tools/list` already written.

use std::collections::HashMap;

use bytes::Bytes;

use crate::options::Options;
use crate::rpc::escaped;
use crate::stats::Count;

/// Names that need care: beyond ASCII, with quotes, with a backslash.
const ODD_NAMES: [&str; 3] = ["ünïcode", "with \"quotes\"", "back\\slash"];

/// What a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Echo,
    Who,
    Slow,
    Progress,
    Sse,
    Big,
    Fail,
    RpcError,
    Close,
    Status,
    Split,
    StreamForever,
}

/// Built-in tools: name, behaviour, description.
const BUILT_IN: [(&str, Kind, &str); 12] = [
    ("echo", Kind::Echo, "Returns its arguments as JSON text"),
    ("who", Kind::Who, "Returns the name of this server"),
    ("slow", Kind::Slow, "Answers after `ms` milliseconds"),
    ("progress", Kind::Progress, "Sends `n` progress notifications, one each `interval_ms`, then the result"),
    ("sse", Kind::Sse, "Answers as a stream of `n` log messages, one each `interval_ms`, and the result"),
    ("big", Kind::Big, "Returns a text of `bytes` bytes"),
    ("fail", Kind::Fail, "Returns a result with isError"),
    ("rpc_error", Kind::RpcError, "Answers with a JSON-RPC error of code `code`"),
    ("close", Kind::Close, "Cuts the connection in the middle of the answer, or `before` it"),
    ("status", Kind::Status, "Answers with the HTTP status `status`"),
    ("split", Kind::Split, "Answers as echo, written byte by byte"),
    ("stream_forever", Kind::StreamForever, "Sends an event each `interval_ms` until the client leaves"),
];

/// One tool.
pub(crate) struct Tool {
    /// As clients call it.
    pub(crate) name: String,
    /// What it does.
    pub(crate) kind: Kind,
    /// How often it was called.
    pub(crate) calls: Count,
}

/// All tools of a mock.
pub(crate) struct Catalog {
    pub(crate) tools: Vec<Tool>,
    by_name: HashMap<String, usize>,
    pages: Vec<Bytes>,
    page_size: usize,
}

impl Catalog {
    /// What the options say.
    pub(crate) fn of(options: &Options) -> Self {
        let mut names: Vec<String> = options.tools.clone();
        if names.is_empty() {
            names.extend(BUILT_IN.iter().map(|(name, ..)| (*name).to_owned()));
        }
        if options.odd_names {
            names.extend(ODD_NAMES.iter().map(ToString::to_string));
        }
        let mut definitions: Vec<_> = names.into_iter().map(|n| (definition(&n, 0), n)).collect();
        for i in 0..options.tool_count {
            let name = format!("tool_{i}");
            definitions.push((definition(&name, options.tool_bytes), name));
        }
        Self::build(definitions, options.page_size)
    }

    /// Only these, for a list that changes while the mock runs.
    pub(crate) fn named(names: &[String], page_size: usize) -> Self {
        Self::build(names.iter().map(|n| (definition(n, 0), n.clone())).collect(), page_size)
    }

    /// A tool by name.
    pub(crate) fn tool(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|&i| &self.tools[i])
    }

    /// The result of `tools/list` at a cursor (none: the first page).
    pub(crate) fn page(&self, cursor: Option<&str>) -> Option<&Bytes> {
        let page = match cursor {
            None => 0,
            Some(cursor) => {
                let offset: usize = cursor.parse().ok()?;
                offset.checked_rem(self.page_size)?.eq(&0).then(|| offset / self.page_size)?
            }
        };
        self.pages.get(page)
    }

    fn build(definitions: Vec<(String, String)>, page_size: usize) -> Self {
        let per_page = if page_size == 0 { definitions.len().max(1) } else { page_size };
        let total = definitions.len().div_ceil(per_page).max(1);
        let pages = (0..total).map(|page| {
            let here = definitions.iter().skip(page * per_page).take(per_page);
            let list: Vec<&str> = here.map(|(definition, _)| definition.as_str()).collect();
            let next = (page + 1) * per_page;
            let cursor = if page + 1 < total { format!(r#","nextCursor":"{next}""#) } else { String::new() };
            Bytes::from(format!(r#"{{"tools":[{}]{cursor}}}"#, list.join(",")))
        });
        let pages = pages.collect();
        let tools: Vec<Tool> = definitions
            .into_iter()
            .map(|(_, name)| Tool { kind: kind_of(&name), name, calls: Count::default() })
            .collect();
        let by_name = tools.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Self { tools, by_name, pages, page_size }
    }
}

fn kind_of(name: &str) -> Kind {
    BUILT_IN.iter().find(|(n, ..)| *n == name).map_or(Kind::Echo, |(_, kind, _)| *kind)
}

fn definition(name: &str, least_bytes: usize) -> String {
    let described = BUILT_IN.iter().find(|(n, ..)| *n == name).map_or(BUILT_IN[0].2, |(.., d)| *d);
    let write = |padding: usize| {
        format!(
            r#"{{"name":{},"description":"{described}{}","inputSchema":{{"type":"object"}}}}"#,
            escaped(name),
            ".".repeat(padding)
        )
    };
    let bare = write(0);
    if bare.len() < least_bytes { write(least_bytes - bare.len()) } else { bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(page: &Bytes) -> (Vec<String>, Option<String>) {
        let v: serde_json::Value = serde_json::from_slice(page).unwrap();
        let tools = v["tools"].as_array().unwrap();
        let names = tools.iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect();
        (names, v["nextCursor"].as_str().map(str::to_owned))
    }

    #[test]
    fn pages_follow_each_other_by_cursor() {
        let options = Options { tool_count: 3, page_size: 2, ..Options::default() }.with_tools(&["who"]);
        let catalog = Catalog::of(&options);
        let (first, cursor) = names(catalog.page(None).unwrap());
        assert_eq!((first, cursor.as_deref()), (vec!["who".to_owned(), "tool_0".into()], Some("2")));
        let (second, cursor) = names(catalog.page(Some("2")).unwrap());
        assert_eq!((second, cursor), (vec!["tool_1".to_owned(), "tool_2".into()], None));
        for bad in ["1", "4", "x", "-2"] {
            assert!(catalog.page(Some(bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn generated_tools_have_the_size_that_was_asked_for() {
        assert_eq!(definition("tool_0", 400).len(), 400);
        assert_eq!(definition("tool_0", 1), definition("tool_0", 0));
    }

    #[test]
    fn odd_names_are_escaped() {
        let catalog = Catalog::of(&Options { odd_names: true, ..Options::default() }.with_tools(&["echo"]));
        assert_eq!(names(catalog.page(None).unwrap()).0[1..], ODD_NAMES);
    }
}

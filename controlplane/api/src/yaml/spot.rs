//! The positions of a document: a tree beside the value, and paths into both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::diagnostic::Source;

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Where a node and what is in it stand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spot {
    pub(crate) at: Mark,
    pub(crate) inside: Inside,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Inside {
    Scalar,
    Items(Vec<Spot>),
    /// Position of the key, and the value.
    Fields(BTreeMap<String, (Mark, Spot)>),
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

impl Mark {
    /// As a place in that file.
    pub(crate) fn within(self, file: &Arc<str>) -> Source {
        Source { file: Arc::clone(file), line: self.line, column: self.column }
    }
}

impl Spot {
    /// For a value that did not come from a file.
    pub(crate) const NOWHERE: Spot = Spot { at: Mark { line: 0, column: 0 }, inside: Inside::Scalar };

    /// The node at a path, or else the nearest one above it that exists; fields are found at their key,
    /// plain values at the value.
    pub(crate) fn locate(&self, path: &[Segment]) -> Mark {
        let (mut spot, mut mark) = (self, self.at);
        for segment in path {
            match (segment, &spot.inside) {
                (Segment::Key(key), Inside::Fields(fields)) => match fields.get(key) {
                    Some((key_at, value)) => {
                        spot = value;
                        mark = if value.inside == Inside::Scalar { value.at } else { *key_at };
                    }
                    None => break,
                },
                (Segment::Index(index), Inside::Items(items)) => match items.get(*index) {
                    Some(item) => {
                        spot = item;
                        mark = item.at;
                    }
                    None => break,
                },
                _ => break,
            }
        }
        mark
    }

    /// The key of a field, when there is one.
    pub(crate) fn key(&self, path: &[Segment]) -> Option<Mark> {
        let (last, parents) = path.split_last()?;
        let mut spot = self;
        for segment in parents {
            spot = spot.child(segment)?.1;
        }
        spot.child(last).map(|(mark, _)| mark)
    }

    /// The node at a path.
    pub(crate) fn get(&self, path: &[Segment]) -> Option<&Spot> {
        path.iter().try_fold(self, |spot, segment| spot.child(segment).map(|(_, child)| child))
    }

    fn child(&self, segment: &Segment) -> Option<(Mark, &Spot)> {
        match (segment, &self.inside) {
            (Segment::Key(key), Inside::Fields(fields)) => fields.get(key).map(|(at, spot)| (*at, spot)),
            (Segment::Index(index), Inside::Items(items)) => items.get(*index).map(|item| (item.at, item)),
            _ => None,
        }
    }
}

/// `spec.config.backends[0].url`; keys that are not plain words stand in brackets:
/// `metadata.annotations[tidegate.dev/endpoint]`.
pub(crate) fn path_string(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        let _ = match segment {
            Segment::Index(index) => write!(text, "[{index}]"),
            Segment::Key(key) if !is_word(key) => write!(text, "[{key}]"),
            Segment::Key(key) if text.is_empty() => write!(text, "{key}"),
            Segment::Key(key) => write!(text, ".{key}"),
        };
    }
    text
}

fn is_word(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Segment {
    /// The reverse of [`path_string`]: a number in brackets is an index, unless only a key of that name fits.
    pub(crate) fn parse(path: &str) -> Vec<Segment> {
        let (mut segments, mut rest) = (Vec::new(), path);
        while !rest.is_empty() {
            let (segment, after) = match rest.strip_prefix('[') {
                Some(inner) => {
                    let end = inner.find(']').unwrap_or(inner.len());
                    let text = &inner[..end];
                    let segment = text.parse().map_or_else(|_| Segment::Key(text.to_owned()), Segment::Index);
                    (segment, inner.get(end + 1..).unwrap_or(""))
                }
                None => {
                    let end = rest.find(['.', '[']).unwrap_or(rest.len());
                    (Segment::Key(rest[..end].to_owned()), &rest[end..])
                }
            };
            segments.push(segment);
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        for text in [
            "spec.config.backends[0].url",
            "metadata.annotations[tidegate.dev/endpoint]",
            "spec.outgoingAuth.backends[a.b].type",
            "spec",
            "items[3]",
            "",
        ] {
            assert_eq!(path_string(&Segment::parse(text)), text);
        }
    }
}

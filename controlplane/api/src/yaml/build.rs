//! From parser events to values with positions. Bounded: depth, expanded aliases, problems reported.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

use super::scalar;
use super::spot::{Inside, Mark, Spot};

/// Deeper nesting has no use in a manifest and would endanger the stack.
const MAX_DEPTH: usize = 100;
/// Bytes that anchors and aliases may add to a file: a small file must not become a large value.
const MAX_EXPANDED: usize = 8 << 20;
/// What a node weighs beside its text.
const NODE_BYTES: usize = 32;

/// Something wrong in the YAML itself.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) at: Mark,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: &'static str,
}

/// One YAML document.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) value: Value,
    pub(crate) spot: Spot,
    /// Such as duplicate keys: the document is legible, but not to be taken over.
    pub(crate) flaws: Vec<Flaw>,
}

/// The documents of a file up to its end, or up to where it stops being YAML.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) trees: Vec<Tree>,
    pub(crate) fatal: Option<Flaw>,
}

/// Reads all documents of a text.
pub(crate) fn parse(text: &str) -> Stream {
    let mut builder = Builder::default();
    let mut trees = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(syntax(mark(*error.marker()), error.info(), text)),
        };
        match step {
            Ok(Some(tree)) => trees.push(tree),
            Ok(None) => {}
            Err(flaw) => return Stream { trees, fatal: Some(flaw) },
        }
    }
    Stream { trees, fatal: None }
}

fn syntax(at: Mark, info: &str, text: &str) -> Flaw {
    let line = text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or("");
    let indent = &line[..line.len() - line.trim_start().len()];
    let (message, remedy) = if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
        (format!("not YAML: the file has the marks of a merge conflict ({info})"), "resolve the conflict")
    } else if indent.contains('\t') || info.contains("tab") {
        (format!("not YAML: a tab stands in the indentation ({info})"), "indent with spaces")
    } else {
        (format!("not YAML: {info}"), "repair the YAML at or shortly before this place")
    };
    Flaw { at, code: "yaml-syntax", message, remedy }
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Value, Spot)>,
    expanded: usize,
    flaws: Vec<Flaw>,
    root: Option<(Value, Spot)>,
}

struct Frame {
    at: Mark,
    anchor: usize,
    open: Open,
}

enum Open {
    Items(Vec<Value>, Vec<Spot>),
    Fields { values: Map<String, Value>, spots: BTreeMap<String, (Mark, Spot)>, key: Key, merges: Vec<Merge> },
}

enum Key {
    Awaited,
    Read(String, Mark),
    Merge(Mark),
    /// Its value is dropped: a duplicate, or a key that is not a scalar.
    Skipped,
}

type Merge = (Value, Spot);

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Tree>, Flaw> {
        let at = mark(span.start);
        match event {
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.root = None;
            }
            Event::DocumentEnd => return Ok(self.finish()),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), at)?
            }
            Event::SequenceStart(anchor, _) => {
                self.open(at, anchor, Open::Items(Vec::new(), Vec::new()))?;
            }
            Event::MappingStart(anchor, _) => {
                let (values, spots) = (Map::new(), BTreeMap::new());
                self.open(at, anchor, Open::Fields { values, spots, key: Key::Awaited, merges: Vec::new() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => self.alias(anchor, at)?,
            Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(None)
    }

    fn finish(&mut self) -> Option<Tree> {
        let flaws = std::mem::take(&mut self.flaws);
        self.root.take().map(|(value, spot)| Tree { value, spot, flaws })
    }

    fn flaw(&mut self, at: Mark, code: &'static str, message: String, remedy: &'static str) {
        if self.flaws.len() < crate::read::MAX_PROBLEMS {
            self.flaws.push(Flaw { at, code, message, remedy });
        }
    }

    fn open(&mut self, at: Mark, anchor: usize, open: Open) -> Result<(), Flaw> {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Flaw { at, code: "too-deep", message, remedy: "nest less" });
        }
        self.reject_key(at);
        self.stack.push(Frame { at, anchor, open });
        Ok(())
    }

    /// A collection where a key is awaited cannot become a JSON key.
    fn reject_key(&mut self, at: Mark) {
        if let Some(Frame { open: Open::Fields { key: Key::Awaited, .. }, .. }) = self.stack.last() {
            self.flaw(
                at,
                "bad-key",
                "a key is not plain text".to_owned(),
                "quote the text, or remove the braces",
            );
        }
    }

    fn close(&mut self) -> Result<(), Flaw> {
        let frame = self.stack.pop().expect("an end event follows its start event");
        let (value, inside) = match frame.open {
            Open::Items(values, spots) => (Value::Array(values), Inside::Items(spots)),
            Open::Fields { mut values, mut spots, merges, .. } => {
                for merge in merges {
                    self.merge(&mut values, &mut spots, merge)?;
                }
                (Value::Object(values), Inside::Fields(spots))
            }
        };
        self.put(value, Spot { at: frame.at, inside }, frame.anchor)
    }

    /// `<<: *base` and `<<: [*a, *b]`: earlier and explicit fields win.
    fn merge(
        &mut self,
        values: &mut Map<String, Value>,
        spots: &mut BTreeMap<String, (Mark, Spot)>,
        (value, spot): Merge,
    ) -> Result<(), Flaw> {
        match (value, spot.inside) {
            (Value::Object(base), Inside::Fields(mut base_spots)) => {
                for (key, value) in base {
                    if let (false, Some(spot)) = (values.contains_key(&key), base_spots.remove(&key)) {
                        spots.insert(key.clone(), spot);
                        values.insert(key, value);
                    }
                }
                Ok(())
            }
            (Value::Array(bases), Inside::Items(base_spots)) if bases.iter().all(Value::is_object) => {
                bases.into_iter().zip(base_spots).try_for_each(|base| self.merge(values, spots, base))
            }
            _ => {
                let message = "the value of the merge key << is not a mapping".to_owned();
                self.flaw(spot.at, "bad-merge", message, "refer to a mapping, as in <<: *base");
                Ok(())
            }
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Mark,
    ) -> Result<(), Flaw> {
        if let Some(Frame { open: Open::Fields { values, key, .. }, .. }) = self.stack.last_mut()
            && matches!(key, Key::Awaited)
        {
            if text == "<<" && style == ScalarStyle::Plain {
                *key = Key::Merge(at);
            } else if values.contains_key(text) {
                *key = Key::Skipped;
                let first = self.position_of(text);
                let message = format!("the key {text:?} was already given at line {}", first.line);
                self.flaw(at, "duplicate-key", message, "keep one of the two");
            } else {
                *key = Key::Read(text.to_owned(), at);
            }
            return Ok(());
        }
        let value = scalar::resolve(text, style, tag).unwrap_or_else(|message| {
            self.flaw(at, "bad-scalar", message, "quote the text, and write no tag");
            Value::Null
        });
        self.put(value, Spot { at, inside: Inside::Scalar }, anchor)
    }

    fn position_of(&self, key: &str) -> Mark {
        match self.stack.last() {
            Some(Frame { open: Open::Fields { spots, .. }, at, .. }) => spots.get(key).map_or(*at, |s| s.0),
            _ => Mark { line: 1, column: 1 },
        }
    }

    fn alias(&mut self, anchor: usize, at: Mark) -> Result<(), Flaw> {
        let Some((value, spot)) = self.anchors.get(&anchor) else {
            let message = "an alias refers to no finished value".to_owned();
            return Err(Flaw { at, code: "bad-alias", message, remedy: "write the value out" });
        };
        let (value, spot) = (value.clone(), spot.clone());
        self.expand(&value, at)?;
        self.reject_key(at);
        self.put(value, spot, 0)
    }

    fn expand(&mut self, copied: &Value, at: Mark) -> Result<(), Flaw> {
        self.expanded += weight(copied);
        if self.expanded > MAX_EXPANDED {
            let message = format!("anchors and aliases expand to more than {} MiB", MAX_EXPANDED >> 20);
            return Err(Flaw { at, code: "alias-expansion", message, remedy: "use fewer aliases" });
        }
        Ok(())
    }

    /// Adds a finished node to what encloses it.
    fn put(&mut self, value: Value, spot: Spot, anchor: usize) -> Result<(), Flaw> {
        if anchor != 0 {
            self.expand(&value, spot.at)?;
            self.anchors.insert(anchor, (value.clone(), spot.clone()));
        }
        match self.stack.last_mut() {
            None => self.root = Some((value, spot)),
            Some(Frame { open: Open::Items(values, spots), .. }) => {
                values.push(value);
                spots.push(spot);
            }
            Some(Frame { open: Open::Fields { values, spots, key, merges }, .. }) => {
                *key = match std::mem::replace(key, Key::Awaited) {
                    Key::Read(name, key_at) => {
                        spots.insert(name.clone(), (key_at, spot));
                        values.insert(name, value);
                        Key::Awaited
                    }
                    Key::Merge(key_at) => {
                        merges.push((value, Spot { at: key_at, inside: spot.inside }));
                        Key::Awaited
                    }
                    Key::Skipped => Key::Awaited,
                    // what was just put was a key that is no text: its value follows
                    Key::Awaited => Key::Skipped,
                };
            }
        }
        Ok(())
    }
}

fn weight(value: &Value) -> usize {
    NODE_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + weight(value)).sum(),
            _ => 0,
        }
}

fn mark(marker: Marker) -> Mark {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Mark { line: narrow(marker.line()), column: narrow(marker.col()).saturating_add(1) }
}

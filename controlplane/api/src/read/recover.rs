//! Typed reading that does not stop at the first problem. serde gives up at the first error; here the value that
//! caused it is reported, replaced by a harmless one, and reading starts again. The object is used only if
//! nothing but warnings was found.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::nearest::nearest;
use super::{Complaint, MAX_PROBLEMS};
use crate::diagnostic::Severity;
use crate::document::Resource;
use crate::meta::ObjectMeta;
use crate::yaml::{Segment, path_string};

/// Something to report about a field.
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) path: Vec<Segment>,
    pub(super) complaint: Complaint,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire<S> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    spec: S,
    #[serde(rename = "status")]
    _status: Option<IgnoredAny>,
}

/// The object, if only warnings were found, and all findings.
pub(super) fn deserialize<S: DeserializeOwned>(value: &Value) -> (Option<Resource<S>>, Vec<Finding>) {
    let mut recovery = Recovery { value: value.clone(), holes: BTreeMap::new(), findings: Vec::new() };
    prune_nulls(&mut recovery.value);
    // each round reports a problem or takes one of the few substitutes of a hole
    for _ in 0..MAX_PROBLEMS * SUBSTITUTES {
        match serde_path_to_error::deserialize::<_, Wire<S>>(&recovery.value) {
            Ok(Wire { metadata, spec, .. }) => {
                let sound = recovery.findings.iter().all(|finding| finding.severity != Severity::Error);
                return (sound.then_some(Resource { metadata, spec }), recovery.findings);
            }
            Err(error) => {
                let path = error.path().iter().filter_map(segment).collect();
                if !recovery.absorb(path, &error.inner().to_string()) {
                    break;
                }
            }
        }
    }
    (None, recovery.findings)
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<Segment> {
    match segment {
        serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
        serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
        _ => None,
    }
}

/// `field:` without a value means that the field is absent, as it does for the API server.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

struct Recovery {
    value: Value,
    /// Places that were reported and now hold a substitute, with the number of the next one to try.
    holes: BTreeMap<Vec<Segment>, usize>,
    findings: Vec<Finding>,
}

/// What may stand for a value whose type is not known: nothing, then one of each type.
const SUBSTITUTES: usize = 9;

fn substitute(number: usize) -> Option<Value> {
    match number {
        0 => None,
        1 => Some(Value::String("x".to_owned())),
        2 => Some(Value::Object(Map::new())),
        3 => Some(Value::Array(Vec::new())),
        4 => Some(Value::from(1)),
        5 => Some(Value::Bool(false)),
        6 => Some(Value::String("1s".to_owned())),
        _ => Some(Value::String("http://x/".to_owned())),
    }
}

impl Recovery {
    /// Reports an error and repairs its cause; false when there is nothing more to be learned.
    fn absorb(&mut self, mut path: Vec<Segment>, text: &str) -> bool {
        if let Some((field, expected)) = unknown(text, "unknown field `") {
            if path.last() != Some(&Segment::Key(field.to_owned())) {
                path.push(Segment::Key(field.to_owned()));
            }
            return self.unknown_field(path, field, &expected);
        }
        if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            path.push(Segment::Key(field.to_owned()));
            if !self.in_hole(&path) {
                let message = format!("{} is required", path_string(&path));
                self.report(path.clone(), "missing-field", message, format!("add the field {field}"));
            }
            return self.fill(path);
        }
        let known = self.in_hole(&path);
        if let Some((found, expected)) = unknown(text, "unknown variant `") {
            if !known {
                self.unknown_variant(path.clone(), found, &expected);
            }
            self.holes.insert(path.clone(), SUBSTITUTES);
            return expected.first().is_some_and(|first| self.put(&path, Some(Value::from(*first))));
        }
        if !known {
            let complaint = Complaint::parse(text).unwrap_or_else(|| plain_words(text));
            self.findings.push(Finding { severity: Severity::Error, path: path.clone(), complaint });
        }
        self.fill(path)
    }

    fn unknown_field(&mut self, path: Vec<Segment>, field: &str, expected: &[&str]) -> bool {
        let remedy = match nearest(field, expected.iter().copied()) {
            Some(name) => format!("did you mean {name}?"),
            None if expected.is_empty() => "remove it".to_owned(),
            None => format!("remove it; known here: {}", expected.join(", ")),
        };
        // the CRD preserves unknown fields there (spec 1.5.1), so that the API server would take the object
        let preserved =
            path.starts_with(&[Segment::Key("spec".to_owned()), Segment::Key("config".to_owned())]);
        let severity = if preserved { Severity::Warning } else { Severity::Error };
        let removed = self.put(&path, None);
        let complaint = Complaint { code: "unknown-field", message: "no such field".to_owned(), remedy };
        self.findings.push(Finding { severity, path, complaint });
        removed && self.findings.len() < MAX_PROBLEMS
    }

    fn unknown_variant(&mut self, path: Vec<Segment>, found: &str, expected: &[&str]) {
        let list = expected.join(", ");
        let message = format!("{} must be one of: {list}; found {found:?}", path_string(&path));
        let remedy = match nearest(found, expected.iter().copied()) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("write one of: {list}"),
        };
        self.report(path, "bad-value", message, remedy);
    }

    fn report(&mut self, path: Vec<Segment>, code: &'static str, message: String, remedy: String) {
        let complaint = Complaint { code, message, remedy };
        self.findings.push(Finding { severity: Severity::Error, path, complaint });
    }

    fn in_hole(&self, path: &[Segment]) -> bool {
        (0..=path.len()).any(|end| self.holes.contains_key(&path[..end]))
    }

    /// Puts the next substitute in a place.
    fn fill(&mut self, path: Vec<Segment>) -> bool {
        if self.findings.len() >= MAX_PROBLEMS {
            return false;
        }
        let absent = get(&self.value, &path).is_none() || matches!(path.last(), Some(Segment::Index(_)));
        let next = self.holes.entry(path.clone()).or_insert(0);
        // only fields can be left out
        if *next == 0 && absent {
            *next = 1;
        }
        let number = *next;
        *next += 1;
        number < SUBSTITUTES && self.put(&path, substitute(number))
    }

    /// Replaces the value at a path; `None` removes it. False when there is no such place.
    fn put(&mut self, path: &[Segment], value: Option<Value>) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        match (get_mut(&mut self.value, parents), last, value) {
            (Some(Value::Object(fields)), Segment::Key(key), Some(value)) => {
                fields.insert(key.clone(), value);
                true
            }
            (Some(Value::Object(fields)), Segment::Key(key), None) => fields.shift_remove(key).is_some(),
            (Some(Value::Array(items)), Segment::Index(index), Some(value)) => {
                items.get_mut(*index).map(|item| *item = value).is_some()
            }
            _ => false,
        }
    }
}

fn get<'a>(value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

fn get_mut<'a>(value: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    })
}

/// The found and the expected words of serde's "unknown field" and "unknown variant".
fn unknown<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let rest = text.strip_prefix(prefix)?;
    let (found, expected) = rest.rsplit_once("`, there are no").or_else(|| rest.split_once("`, expected"))?;
    Some((found, expected.split('`').skip(1).step_by(2).collect()))
}

/// serde's type errors, in words for people who write manifests.
fn plain_words(text: &str) -> Complaint {
    let parts =
        text.split_once(": ").and_then(|(class, rest)| Some((class, rest.rsplit_once(", expected ")?)));
    let Some((class @ ("invalid type" | "invalid value"), (found, expected))) = parts else {
        let (message, remedy) = (text.to_owned(), "see the documentation of this field".to_owned());
        return Complaint { code: "bad-value", message, remedy };
    };
    let (expected, remedy) = match expected {
        "a string" if found.starts_with("boolean") => {
            ("text", "put it in quotes: YAML reads y, n, yes, no, on and off as true and false")
        }
        "a string" => ("text", "put it in quotes"),
        "a boolean" => ("true or false", "write true or false, without quotes"),
        "a map" => ("an object", "write fields on lines of their own, indented"),
        "a sequence" => ("a list", "write a list: each item on a line of its own, after '- '"),
        "u16" => ("a whole number from 0 to 65535", "write such a number, without quotes"),
        "a nonzero u16" => ("a whole number from 1 to 65535", "write such a number, without quotes"),
        "u8" | "u32" | "u64" => ("a whole number, not negative", "write such a number, without quotes"),
        "a nonzero u32" | "a nonzero u64" => ("a whole number from 1", "write such a number, without quotes"),
        "i64" => ("a whole number", "write such a number, without quotes"),
        other if other.starts_with("struct ") => {
            ("an object", "write fields on lines of their own, indented")
        }
        other => (other, "write a value of that kind"),
    };
    let found = found.replace('`', "").replacen("string ", "text ", 1).replacen("map", "an object", 1);
    let found = found.replacen("sequence", "a list", 1);
    let code = if class == "invalid type" { "bad-type" } else { "bad-value" };
    Complaint { code, message: format!("expected {expected}, found {found}"), remedy: remedy.to_owned() }
}

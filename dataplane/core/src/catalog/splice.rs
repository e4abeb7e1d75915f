//! Changes values of an object's own fields and leaves every other byte as it is.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;

/// A field of an object: its name and where its value stands.
pub(super) struct Field {
    pub(super) key: String,
    pub(super) value: Range<usize>,
}

/// The fields of the object that `text` is, in order.
pub(super) fn fields(text: &str) -> Result<Vec<Field>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let fields = Fields { start: text.as_ptr().addr() }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(fields)
}

/// `object` with each field of `edits` set to a JSON value; those that it lacks come last.
pub(super) fn edit(object: &str, edits: &[(&str, String)]) -> String {
    let fields = fields(object).expect("an object was checked when it was taken");
    let mut out =
        String::with_capacity(object.len() + edits.iter().map(|(k, v)| k.len() + v.len() + 4).sum::<usize>());
    let mut copied = 0;
    for field in &fields {
        if let Some((_, json)) = edits.iter().find(|(key, _)| *key == field.key) {
            out += &object[copied..field.value.start];
            out += json;
            copied = field.value.end;
        }
    }
    let end = object.rfind('}').expect("an object ends with a brace");
    out += &object[copied..end];
    let mut empty = fields.is_empty();
    for (key, json) in edits.iter().filter(|(key, _)| fields.iter().all(|f| f.key != *key)) {
        if !std::mem::take(&mut empty) {
            out.push(',');
        }
        out += &json::quoted(key);
        out.push(':');
        out += json;
    }
    out += &object[end..];
    out
}

struct Fields {
    /// Address of the text, to turn borrowed values into ranges.
    start: usize,
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Vec<Field>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = map.next_key()? {
            let value = map.next_value::<&'de RawValue>()?.get();
            let at = value.as_ptr().addr() - self.start;
            fields.push(Field { key, value: at..at + value.len() });
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_spacing_and_escapes() {
        let text = r#" { "a" : 1 ,"n\u0061me":  "x\"}" , "c":{"name":2} } "#;
        let found: Vec<_> =
            fields(text).expect("object").into_iter().map(|f| (f.key, &text[f.value])).collect();
        let expected = [("a", "1"), ("name", r#""x\"}""#), ("c", r#"{"name":2}"#)];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v)));
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for text in ["[]", "1", "{", "{}{}", r#"{"a"}"#, "", "null"] {
            assert!(fields(text).is_err(), "{text}");
        }
    }

    #[test]
    fn edits_replace_in_place_or_come_last() {
        let check = |object: &str, edits: &[(&str, &str)], expected: &str| {
            let edits: Vec<_> = edits.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
            assert_eq!(edit(object, &edits), expected);
        };
        check("{}", &[("a", "1")], r#"{"a":1}"#);
        check("{ }", &[("a", "1"), ("b", "2")], r#"{ "a":1,"b":2}"#);
        check(r#"{"a" : 1, "b":{"a":1}}"#, &[("a", "[2]")], r#"{"a" : [2], "b":{"a":1}}"#);
        check(r#"{"a":1}"#, &[("b", "{}"), ("a", "0")], r#"{"a":0,"b":{}}"#);
        check(r#"{"x":"}"}"#, &[], r#"{"x":"}"}"#);
    }
}

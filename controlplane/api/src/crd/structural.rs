//! From a JSON schema to what Kubernetes calls a structural one: one type at each place, nothing nullable, no
//! alternatives, values with doc comments as an `enum` with one description.
//!
//! Why not schemars' own OpenAPI settings: they keep `oneOf`, `nullable` and Rust's number formats, of which the
//! API server refuses the first and warns of the last.

use serde_json::{Map, Value, json};

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
/// Where the meanings of an enum's values stand until the description of the field is known.
const MEANINGS: &str = "meanings";

/// The schema, all the way down.
pub(super) fn structural(schema: Value) -> Value {
    let Value::Object(schema) = schema else { return json!({PRESERVE: true}) };
    let mut schema = merge_alternatives(schema);
    only_type(&mut schema);
    for noise in ["title", "$schema", "nullable"] {
        schema.shift_remove(noise);
    }
    // serde's way to say that a field may be absent
    if schema.get("default").is_some_and(is_empty) {
        schema.shift_remove("default");
    }
    if let Some(value) = schema.shift_remove("const") {
        schema.insert("enum".to_owned(), json!([value]));
    }
    numbers(&mut schema);
    describe(&mut schema);
    contents(&mut schema);
    if !schema.contains_key("type") {
        // any JSON
        schema.insert(PRESERVE.to_owned(), json!(true));
    }
    Value::Object(schema)
}

/// What is in an object or a list.
fn contents(schema: &mut Map<String, Value>) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(|property| *property = structural(property.take()));
    }
    if let Some(items) = schema.get_mut("items") {
        *items = structural(items.take());
    }
    match schema.shift_remove("additionalProperties") {
        // unknown fields are refused by the API server itself
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => {
            schema.insert(PRESERVE.to_owned(), json!(true));
        }
        Some(values) => {
            schema.insert("additionalProperties".to_owned(), structural(values));
        }
    }
}

/// `anyOf` a schema and null is the schema; `oneOf` constants is an `enum`.
fn merge_alternatives(mut schema: Map<String, Value>) -> Map<String, Value> {
    for word in ["anyOf", "oneOf"] {
        let Some(Value::Array(mut choices)) = schema.shift_remove(word) else { continue };
        choices.retain(|choice| choice["type"] != "null" && choice.get("const") != Some(&Value::Null));
        if choices.iter().all(|choice| choice.get("const").is_some()) {
            constants(&mut schema, &choices);
        } else {
            assert!(choices.len() == 1, "a field is of one type: {choices:?}");
            let Some(Value::Object(only)) = choices.pop() else { continue };
            // what is said at the field wins over what is said at its type
            for (key, value) in merge_alternatives(only) {
                schema.entry(key).or_insert(value);
            }
        }
    }
    schema
}

/// An `enum`, with what its values mean.
fn constants(schema: &mut Map<String, Value>, choices: &[Value]) {
    let values: Vec<&Value> = choices.iter().map(|choice| &choice["const"]).collect();
    let lines = choices.iter().map(|choice| {
        let (value, meaning) = (choice["const"].as_str(), choice["description"].as_str());
        format!("\n\n- `{}`: {}", value.unwrap_or_default(), meaning.unwrap_or_default())
    });
    let meanings: String = lines.collect();
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), json!(values));
    schema.insert(MEANINGS.to_owned(), json!(meanings));
}

/// `[T, null]` is T: the API server leaves nulls out.
fn only_type(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        let only = types.pop();
        schema.insert("type".to_owned(), only.unwrap_or_default());
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

fn is_empty(default: &Value) -> bool {
    match default {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// OpenAPI has formats for signed numbers only.
fn numbers(schema: &mut Map<String, Value>) {
    let format = match schema.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16" | "uint32" | "int32") => "int32",
        Some("uint64" | "int64") => "int64",
        _ => return,
    };
    schema.insert("format".to_owned(), json!(format));
}

fn describe(schema: &mut Map<String, Value>) {
    let meanings = schema.shift_remove(MEANINGS);
    let parts = [schema.get("description"), meanings.as_ref()];
    let text: String = parts.into_iter().flatten().filter_map(Value::as_str).collect();
    if !text.is_empty() {
        schema.insert("description".to_owned(), json!(unwrap_lines(&text)));
    }
}

/// Lines of a doc comment end where the source is wide; paragraphs end where the author wants.
fn unwrap_lines(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n")
}

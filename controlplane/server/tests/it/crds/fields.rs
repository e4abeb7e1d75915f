//! The CRDs have the fields that manifests are read with: no more, no fewer.

use serde_json::{Value, json};
use tidegate_controlplane_api::{Diagnostic, Kind, read_object};

use super::admission::object;
use super::sample::{all, schema, valid};

#[test]
fn every_field_of_the_crds_is_read() {
    for kind in Kind::SERVED {
        let found = unknown_fields(kind, &all(&schema(kind, "spec")));
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn every_field_that_is_read_is_in_the_crds() {
    for kind in Kind::SERVED {
        let schema = schema(kind, "spec");
        let spec = all(&schema);
        for pointer in objects(&schema, &spec) {
            check_fields(kind, &schema, &spec, &pointer);
        }
    }
}

#[test]
fn what_the_api_server_takes_is_read_without_a_word() {
    for kind in Kind::SERVED {
        for spec in valid(kind) {
            let reading = read_object(&object(kind, "v1beta1", "x", &spec));
            assert!(reading.diagnostics.is_empty(), "{:#?}", reading.diagnostics);
            assert_eq!(reading.documents.len(), 1);
        }
    }
}

/// A field that no kind has makes the reader tell the ones that it knows.
fn check_fields(kind: Kind, schema: &Value, spec: &Value, pointer: &str) {
    let mut spec = spec.clone();
    spec.pointer_mut(pointer).unwrap()["qqqqqq"] = json!(1);
    let found = unknown_fields(kind, &spec);
    let [one] = &found[..] else { panic!("{kind} {pointer}: {found:#?}") };
    let known = one.remedy.strip_prefix("remove it; known here: ").unwrap();
    let mut known: Vec<&str> = known.split(", ").collect();
    known.sort_unstable();
    let properties = at(schema, pointer)["properties"].as_object().unwrap();
    let mut described: Vec<&str> = properties.keys().map(String::as_str).collect();
    described.sort_unstable();
    assert_eq!(known, described, "{kind} {pointer}");
}

fn unknown_fields(kind: Kind, spec: &Value) -> Vec<Diagnostic> {
    let diagnostics = read_object(&object(kind, "v1beta1", "x", spec)).diagnostics;
    diagnostics.into_iter().filter(|found| found.code == "unknown-field").collect()
}

/// Pointers to the objects of a value whose fields the schema names.
fn objects(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![(String::new(), value)];
    while let Some((pointer, value)) = rest.pop() {
        if at(schema, &pointer).get("properties").is_some() {
            found.push(pointer.clone());
        }
        match value {
            Value::Object(fields) => {
                rest.extend(fields.iter().map(|(name, v)| (format!("{pointer}/{name}"), v)))
            }
            Value::Array(items) => rest.extend(items.iter().map(|item| (format!("{pointer}/0"), item))),
            _ => {}
        }
    }
    found
}

/// The schema of what a pointer into a value points to; null when it names no schema.
fn at<'a>(schema: &'a Value, pointer: &str) -> &'a Value {
    pointer.split('/').skip(1).fold(schema, |schema, name| match schema.get("type").and_then(Value::as_str) {
        Some("array") => &schema["items"],
        _ if schema.get("properties").is_some() => &schema["properties"][name],
        _ => &schema["additionalProperties"],
    })
}

//! Every bound of the schemas before a real API server: a spec that keeps them all, and one for each that breaks it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidegate_controlplane_api::Kind;

use super::admission::Admission;
use super::sample::{schema, valid};

/// A bound, a value that breaks it (null: the field is left out), and what the API server says.
struct Bound {
    pointer: String,
    broken: Value,
    refusal: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bound_of_every_field_is_kept_and_told() {
    let server = Admission::new("bounds").await;
    let mut told = BTreeSet::new();
    for kind in Kind::SERVED {
        let schema = schema(kind, "spec");
        for spec in valid(kind) {
            assert_eq!(server.refusals(kind, &spec).await, Vec::<String>::new(), "{kind} {spec:#}");
            for bound in bounds(&schema, &spec) {
                if told.insert((kind, bound.refusal.clone())) {
                    check(&server, kind, &spec, &bound).await;
                }
            }
        }
    }
    assert!(told.len() > 300, "{}", told.len());
}

async fn check(server: &Admission, kind: Kind, spec: &Value, bound: &Bound) {
    let mut spec = spec.clone();
    let (parent, name) = bound.pointer.rsplit_once('/').unwrap();
    match spec.pointer_mut(parent).unwrap() {
        Value::Object(fields) if bound.broken.is_null() => _ = fields.shift_remove(name),
        Value::Object(fields) => _ = fields.insert(name.to_owned(), bound.broken.clone()),
        Value::Array(items) => items[0] = bound.broken.clone(),
        _ => unreachable!("a parent has children"),
    }
    let refusals = server.refusals(kind, &spec).await;
    assert!(refusals.contains(&bound.refusal), "{kind}: {} is not in {refusals:#?}", bound.refusal);
}

fn bounds(schema: &Value, spec: &Value) -> Vec<Bound> {
    let mut found = Vec::new();
    walk(schema, spec, "", "spec", &mut found);
    found
}

fn walk(schema: &Value, value: &Value, pointer: &str, field: &str, found: &mut Vec<Bound>) {
    for (broken, text) in of_value(schema, value, field) {
        found.push(Bound { pointer: pointer.to_owned(), broken, refusal: format!("{field}: {text}") });
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (pointer, refusal) = (format!("{pointer}/{name}"), format!("{field}.{name}: Required value"));
        found.push(Bound { pointer, broken: Value::Null, refusal });
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                walk(below, value, &format!("{pointer}/{name}"), &format!("{field}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(&schema["items"], item, &format!("{pointer}/0"), &format!("{field}[0]"), found);
            }
        }
        _ => {}
    }
}

/// Values that break the bounds of one field, and the API server's words.
fn of_value(schema: &Value, value: &Value, field: &str) -> Vec<(Value, String)> {
    let mut found = Vec::new();
    let number = |name: &str| schema[name].as_f64().map(|bound| bound as i64);
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        let text = format!("Unsupported value: \"~\": supported values: {}", values.join(", "));
        found.push((json!("~"), text));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        found.push((json!("~"), format!("Invalid value: \"~\": {field} in body should match '{pattern}'")));
    }
    if let Some(least) = number("minimum") {
        let text = format!(
            "Invalid value: {}: {field} in body should be greater than or equal to {least}",
            least - 1
        );
        found.push((json!(least - 1), text));
    }
    if let Some(most) = number("maximum") {
        let text =
            format!("Invalid value: {}: {field} in body should be less than or equal to {most}", most + 1);
        found.push((json!(most + 1), text));
    }
    if let Some(least) = number("minLength") {
        let text = format!("Invalid value: \"\": {field} in body should be at least {least} chars long");
        found.push((json!(""), text));
    }
    if let Some(most) = number("maxLength") {
        let broken = "a".repeat(usize::try_from(most).unwrap() + 1);
        found.push((json!(broken), format!("Too long: may not be more than {most} bytes")));
    }
    found.extend(of_many(schema, value, field));
    found
}

/// The same for lists and maps.
fn of_many(schema: &Value, value: &Value, field: &str) -> Vec<(Value, String)> {
    let mut found = Vec::new();
    let number = |name: &str| schema[name].as_f64().map(|bound| bound as usize);
    if let Some(least) = number("minItems") {
        found.push((
            json!([]),
            format!("Invalid value: 0: {field} in body should have at least {least} items"),
        ));
    }
    if let Some(most) = number("maxItems") {
        let broken = vec![value[0].clone(); most + 1];
        found.push((json!(broken), format!("Too many: {}: must have at most {most} items", most + 1)));
    }
    if let Some(most) = number("maxProperties") {
        let broken = (0..=most).map(|n| (format!("key{n}"), json!("text")));
        let text = format!("Too many: {}: must have at most {most} items", most + 1);
        found.push((Value::Object(broken.collect()), text));
    }
    found
}

//! Whether an observed object already is what an apply would make it.

use serde_json::Value;

/// Everything that is desired is there: objects may have more fields (defaults, other managers'), lists have the same items in the
/// same order. Nulls and empty values count as absent, as the API server drops them.
pub fn covers(observed: &Value, desired: &Value) -> bool {
    match (observed, desired) {
        (_, desired) if is_empty(desired) => is_empty(observed),
        (Value::Object(observed), Value::Object(desired)) => desired
            .iter()
            .all(|(field, desired)| covers(observed.get(field).unwrap_or(&Value::Null), desired)),
        (Value::Array(observed), Value::Array(desired)) => {
            observed.len() == desired.len()
                && observed.iter().zip(desired).all(|(observed, desired)| covers(observed, desired))
        }
        (observed, desired) => observed == desired,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_desired_is_there_or_not() {
        let check = |observed: Value, desired: Value, expected: bool| {
            assert_eq!(covers(&observed, &desired), expected, "{observed} {desired}");
        };
        check(json!({"a": 1, "b": 2}), json!({"a": 1}), true);
        check(json!({"a": 2}), json!({"a": 1}), false);
        check(json!({}), json!({"a": 1}), false);
        check(json!({}), json!({"a": null, "b": [], "c": {}, "d": {"e": {}}}), true);
        check(json!({"b": [1]}), json!({"b": []}), false);
        check(json!({"a": [{"x": 1, "y": 2}]}), json!({"a": [{"x": 1}]}), true);
        check(json!({"a": [1, 2]}), json!({"a": [1]}), false);
        check(json!({"a": [2, 1]}), json!({"a": [1, 2]}), false);
        check(json!({"a": false}), json!({"a": false}), true);
        check(json!({}), json!({"a": false}), false);
    }
}

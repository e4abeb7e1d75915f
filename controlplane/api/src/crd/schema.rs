//! The schema of an object: what schemars derives from the types, made structural, in Kubernetes' envelope.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::kinds::{Definition, Spec};
use super::structural::structural;

/// The whole object. `metadata` is the API server's own.
pub(super) fn object(definition: &Definition) -> Value {
    let Spec { schema, required } = &definition.spec;
    let required: &[&str] = if *required { &["spec"] } else { &[] };
    let mut object = json!({
        "type": "object",
        "description": schema["description"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Group and version of this object."},
            "kind": {"type": "string", "description": "Kind of this object."},
            "metadata": {"type": "object"},
            "spec": schema,
            "status": definition.status,
        },
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// A spec that an object must have.
pub(super) fn required<T: JsonSchema>() -> Spec {
    Spec { schema: of::<T>(), required: true }
}

/// A spec that an object may do without.
pub(super) fn optional<T: JsonSchema>() -> Spec {
    Spec { schema: of::<T>(), required: false }
}

/// The structural schema of a type.
pub(super) fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    structural(settings.into_generator().into_root_schema_for::<T>().into())
}

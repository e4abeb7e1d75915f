//! The CustomResourceDefinitions, from the types that manifests are read into (spec 1). Both versions have the
//! same schema; what is stored is `v1beta1`, and nothing is converted but `apiVersion`.

mod kinds;
mod schema;
pub mod status;
mod structural;

use serde_json::{Value, json};

use crate::meta::{GROUP, Kind};
use kinds::Definition;

const DEPRECATION: &str = "toolhive.stacklok.dev/v1alpha1 is deprecated; use v1beta1";

/// The CustomResourceDefinition of a kind; none for a kind that is known by name only.
pub fn definition(kind: Kind) -> Option<Value> {
    let definition = Definition::of(kind)?;
    let schema = schema::object(&definition);
    Some(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{GROUP}", kind.plural()),
            "labels": {"toolhive.stacklok.dev/auto-migrate-storage-version": "true"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.as_str(),
                "listKind": format!("{kind}List"),
                "plural": kind.plural(),
                "singular": kind.singular(),
                "shortNames": definition.short_names,
                "categories": ["toolhive"],
            },
            "conversion": {"strategy": "None"},
            "versions": [alpha(&definition, &schema), beta(&definition, &schema)],
        },
    }))
}

/// What `kubectl` takes beside the plural and the singular of a kind.
pub fn short_names(kind: Kind) -> &'static [&'static str] {
    kinds::short_names(kind)
}

fn alpha(definition: &Definition, schema: &Value) -> Value {
    let mut version = version("v1alpha1", definition, schema);
    version["storage"] = json!(false);
    version["deprecated"] = json!(true);
    version["deprecationWarning"] = json!(DEPRECATION);
    version
}

fn beta(definition: &Definition, schema: &Value) -> Value {
    let mut version = version("v1beta1", definition, schema);
    version["storage"] = json!(true);
    version
}

fn version(name: &str, definition: &Definition, schema: &Value) -> Value {
    json!({
        "name": name,
        "served": true,
        "subresources": {"status": {}},
        "additionalPrinterColumns": definition.columns,
        "schema": {"openAPIV3Schema": schema},
    })
}

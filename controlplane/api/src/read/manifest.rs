//! The objects of a file as they are written, whatever their kind, for who passes them on to an API server. Nothing is
//! said here about what is wrong with them: that is [`read()`](super::read())'s.

use std::sync::Arc;

use serde_json::Value;

use super::{envelope, text};
use crate::diagnostic::Source;
use crate::document::Place;
use crate::meta::ObjectRef;
use crate::yaml::{self, Inside, Segment, Spot};

/// One object, and where its fields stand.
#[derive(Clone, Debug)]
pub struct Manifest {
    value: Value,
    place: Place,
}

impl Manifest {
    /// The object.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// `kind`, or nothing.
    pub fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    /// `metadata.name`, or nothing.
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Which object it is; none for a kind of another group, or without a name.
    pub fn object_ref(&self) -> Option<ObjectRef> {
        envelope::identify(&self.value)
    }

    /// The place of a field given as a path such as `spec.config.backends[0].url`, or of the nearest enclosing field.
    pub fn locate(&self, field: &str) -> Source {
        self.place.spot.locate(&Segment::parse(field)).within(&self.place.file)
    }
}

/// The objects of a file, those in lists included. What is not legible, or not an object, is left out.
pub fn manifests(file: &str, bytes: &[u8]) -> Vec<Manifest> {
    let file: Arc<str> = file.into();
    let Ok(text) = text::decode(bytes) else { return Vec::new() };
    let legible = yaml::parse(text).trees.into_iter().filter(|tree| tree.flaws.is_empty());
    let mut found = Vec::new();
    legible.for_each(|tree| collect(&file, tree.value, tree.spot, &mut found));
    found
}

fn collect(file: &Arc<str>, mut value: Value, mut spot: Spot, found: &mut Vec<Manifest>) {
    if !value.is_object() {
        return;
    }
    if !envelope::is_list_object(&value) {
        found.push(Manifest { value, place: Place { file: Arc::clone(file), spot } });
        return;
    }
    let spots = match &mut spot.inside {
        Inside::Fields(fields) => fields.remove("items").map(|(_, items)| items.inside),
        _ => None,
    };
    if let (Some(Value::Array(values)), Some(Inside::Items(spots))) =
        (value.get_mut("items").map(Value::take), spots)
    {
        values.into_iter().zip(spots).for_each(|(value, spot)| collect(file, value, spot, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_any_kind_are_found_with_their_places() {
        let text = "\
kind: ConfigMap
apiVersion: v1
---
just text
---
apiVersion: v1
kind: List
items:
- apiVersion: toolhive.stacklok.dev/v1beta1
  kind: MCPGroup
  metadata: {name: tools}
  spec:
    description: x
";
        let found = manifests("a.yaml", text.as_bytes());
        let kinds: Vec<_> = found.iter().map(|manifest| &manifest.value()["kind"]).collect();
        assert_eq!(kinds, ["ConfigMap", "MCPGroup"]);
        assert_eq!(found[0].object_ref(), None);
        assert_eq!(found[1].object_ref().map(|object| object.to_string()).unwrap(), "MCPGroup default/tools");
        assert_eq!(found[1].locate("spec.description").to_string(), "a.yaml:13:18");
        assert_eq!(found[1].locate("spec.other").to_string(), "a.yaml:12:3");
    }
}

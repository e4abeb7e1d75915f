//! Kubernetes' strategic merge patch, for pod templates: maps merge by key, lists by the key that Kubernetes names for them,
//! `null` removes, `$patch: delete` and `$patch: replace` do what they say. Written here since no crate does it:
//! `k8s_openapi::DeepMerge` knows the keys, but neither removal nor directives nor the order of what is merged, and loses
//! fields that it does not know. The table test compares with what kubectl makes of the same patches.

use serde_json::{Map, Value};

type Fields = Map<String, Value>;

/// What does not fit into a pod template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Misfit {
    /// Below `podTemplateSpec`, as in `spec.containers[0].name`.
    pub(crate) field: String,
    /// What is wrong, in plain words.
    pub(crate) message: String,
}

/// Lists whose items are merged, each with the field that tells its items apart; all others are replaced as a whole.
const LISTS: [(&str, &str); 9] = [
    ("spec.containers", "name"),
    ("spec.ephemeralContainers", "name"),
    ("spec.evictionResponders", "name"),
    ("spec.imagePullSecrets", "name"),
    ("spec.initContainers", "name"),
    ("spec.resourceClaims", "name"),
    ("spec.schedulingGates", "name"),
    ("spec.topologySpreadConstraints", "topologyKey"),
    ("spec.volumes", "name"),
];
/// Those of a container.
const CONTAINER_LISTS: [(&str, &str); 4] = [
    ("env", "name"),
    ("ports", "containerPort"),
    ("volumeDevices", "devicePath"),
    ("volumeMounts", "mountPath"),
];
const CONTAINERS: [&str; 3] = ["spec.containers.", "spec.initContainers.", "spec.ephemeralContainers."];

/// The template with the patch merged into it.
pub(crate) fn merge(mut template: Fields, patch: &Fields) -> Result<Fields, Misfit> {
    merge_fields(&Place::default(), &mut template, patch)?;
    Ok(template)
}

/// Where in a template.
#[derive(Clone, Default)]
struct Place {
    /// For people, with the positions of items.
    field: String,
    /// Without.
    shape: String,
}

fn merge_fields(place: &Place, fields: &mut Fields, patch: &Fields) -> Result<(), Misfit> {
    match patch.get("$patch").map(|directive| directive.as_str().unwrap_or_default()) {
        None => {}
        Some("replace") => fields.clear(),
        Some("delete") => {
            fields.clear();
            return Ok(());
        }
        Some(_) => return Err(place.misfit("has a $patch other than delete and replace")),
    }
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        fields.retain(|name, _| retained.iter().any(|retained| retained == name));
    }
    for (name, value) in patch.iter().filter(|(name, _)| !matches!(name.as_str(), "$patch" | "$retainKeys")) {
        if name.starts_with('$') {
            return Err(place.misfit(&format!("has the directive {name}, which is not supported")));
        }
        merge_field(&place.of(name), name, fields, value)?;
    }
    Ok(())
}

fn merge_field(place: &Place, name: &str, fields: &mut Fields, value: &Value) -> Result<(), Misfit> {
    if value.is_null() {
        fields.shift_remove(name);
        return Ok(());
    }
    if let Some(key) = place.merge_key() {
        let Value::Array(items) = value else { return Err(place.misfit("must be a list")) };
        let known = match fields.get_mut(name).map(Value::take) {
            Some(Value::Array(known)) => known,
            _ => Vec::new(),
        };
        fields.insert(name.to_owned(), Value::Array(merge_items(place, key, known, items)?));
        return Ok(());
    }
    if let Value::Object(patch) = value {
        let mut inner = match fields.get_mut(name).map(Value::take) {
            Some(Value::Object(inner)) => inner,
            _ => Map::new(),
        };
        merge_fields(place, &mut inner, patch)?;
        fields.insert(name.to_owned(), Value::Object(inner));
        return Ok(());
    }
    if matches!(place.shape.as_str(), "metadata" | "spec") {
        return Err(place.misfit("must be an object"));
    }
    fields.insert(name.to_owned(), value.clone());
    Ok(())
}

/// A list with another merged into it; `key` tells items apart.
fn merge_items(
    place: &Place,
    key: &str,
    mut known: Vec<Value>,
    patch: &[Value],
) -> Result<Vec<Value>, Misfit> {
    let order = identities(&known, key);
    let mut patched: Vec<Value> = Vec::new();
    let mut changes = Vec::new();
    for (index, item) in patch.iter().enumerate() {
        let place = place.item(index);
        let Value::Object(item) = item else { return Err(place.misfit("must be an object")) };
        match item.get("$patch").map(|directive| directive.as_str().unwrap_or_default()) {
            Some("replace") => known.clear(),
            Some("delete") => known.retain(|known| known.get(key) != item.get(key)),
            Some(_) => return Err(place.misfit("has a $patch other than delete and replace")),
            None => changes.push((place, item)),
        }
    }
    for (place, item) in changes {
        let identity = item.get(key).filter(|identity| !identity.is_null() && *identity != "");
        let identity = identity.ok_or_else(|| place.of(key).misfit("is required"))?;
        let is_it = |value: &Value| value.get(key) == Some(identity);
        let at = patched.iter().position(is_it).unwrap_or_else(|| {
            let known = known.iter().position(is_it).map(|at| known.remove(at));
            patched.push(known.unwrap_or_else(|| Value::Object(Map::new())));
            patched.len() - 1
        });
        if let Value::Object(fields) = &mut patched[at] {
            merge_fields(&place, fields, item)?;
        }
    }
    Ok(weave(known, patched, &order, key))
}

/// Both in their own order. An untouched item stands before a patched one only if it stood there before the patch; new ones
/// are the earliest.
fn weave(untouched: Vec<Value>, patched: Vec<Value>, order: &[Value], key: &str) -> Vec<Value> {
    let rank = |item: &Value| order.iter().position(|known| item.get(key) == Some(known));
    let mut woven = Vec::with_capacity(untouched.len() + patched.len());
    let mut untouched = untouched.into_iter().peekable();
    for item in patched {
        while let Some(before) =
            untouched.next_if(|other| rank(&item).is_some_and(|rank_of| rank(other) < Some(rank_of)))
        {
            woven.push(before);
        }
        woven.push(item);
    }
    woven.extend(untouched);
    woven
}

fn identities(items: &[Value], key: &str) -> Vec<Value> {
    items.iter().filter_map(|item| item.get(key).cloned()).collect()
}

impl Place {
    fn of(&self, name: &str) -> Self {
        let join = |path: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        Self { field: join(&self.field), shape: join(&self.shape) }
    }

    fn item(&self, index: usize) -> Self {
        Self { field: format!("{}[{index}]", self.field), shape: self.shape.clone() }
    }

    fn merge_key(&self) -> Option<&'static str> {
        let shape = self.shape.as_str();
        let of = |lists: &'static [(&str, &str)], name: &str| {
            lists.iter().find(|(list, _)| *list == name).map(|(_, key)| *key)
        };
        let inner = CONTAINERS.iter().find_map(|prefix| shape.strip_prefix(prefix));
        match inner {
            Some(inner) => of(&CONTAINER_LISTS, inner),
            None => of(&LISTS, shape),
        }
    }

    fn misfit(&self, what: &str) -> Misfit {
        let dot = if self.field.is_empty() { "" } else { "." };
        Misfit { field: self.field.clone(), message: format!("podTemplateSpec{dot}{} {what}", self.field) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{template, cases: [{name, patch, result | error}]}`: what `kubectl patch --local --type=strategic` (1.37.2) makes of
    /// each patch of a Deployment with the template.
    const CASES: &str = include_str!("strategic/cases.json");

    fn fields(value: &Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn patches_do_what_kubectl_makes_of_them() {
        let all: Value = serde_json::from_str(CASES).unwrap();
        let cases = all["cases"].as_array().unwrap();
        assert!(cases.len() > 50);
        for case in cases {
            let merged = merge(fields(&all["template"]), &fields(&case["patch"]));
            match case.get("result") {
                Some(result) => assert_eq!(merged.map(Value::Object), Ok(result.clone()), "{}", case["name"]),
                None => assert!(merged.is_err(), "{}", case["name"]),
            }
        }
    }

    #[test]
    fn what_cannot_be_a_pod_template_is_refused_by_field() {
        let check = |patch: Value, field: &str, message: &str| {
            let misfit = merge(Fields::new(), &fields(&patch)).unwrap_err();
            assert_eq!((misfit.field.as_str(), misfit.message.as_str()), (field, message));
        };
        use serde_json::json;
        check(json!({"spec": []}), "spec", "podTemplateSpec.spec must be an object");
        check(
            json!({"spec": {"containers": {}}}),
            "spec.containers",
            "podTemplateSpec.spec.containers must be a list",
        );
        check(
            json!({"spec": {"containers": [{"image": "x"}]}}),
            "spec.containers[0].name",
            "podTemplateSpec.spec.containers[0].name is required",
        );
        check(
            json!({"spec": {"containers": [{"name": "mcp", "env": ["A=b"]}]}}),
            "spec.containers[0].env[0]",
            "podTemplateSpec.spec.containers[0].env[0] must be an object",
        );
        check(
            json!({"spec": {"$setElementOrder/containers": []}}),
            "spec",
            "podTemplateSpec.spec has the directive $setElementOrder/containers, which is not supported",
        );
    }
}

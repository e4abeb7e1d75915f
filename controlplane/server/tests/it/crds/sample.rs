//! Objects that say all that a kind can say, from the schema of its CRD.

use serde_json::{Map, Value, json};
use tidegate_controlplane_api::{Kind, crd};

/// The schema of `spec` or `status`.
pub(super) fn schema(kind: Kind, part: &str) -> Value {
    let definition = crd::definition(kind).unwrap();
    definition["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"][part].clone()
}

/// A value with every field that the schema has, contradictions included.
pub(super) fn all(schema: &Value) -> Value {
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values[0].clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => fields(schema),
        Some("array") => json!([all(&schema["items"])]),
        Some("string") => json!(text(schema)),
        Some("integer") => json!(schema["minimum"].as_f64().map_or(1, |minimum| (minimum as i64).max(1))),
        Some("boolean") => json!(true),
        Some(other) => panic!("no sample of type {other}"),
        None => json!({"any": ["thing", 1]}),
    }
}

/// Specs that the API server takes, and that have every field between them.
pub(super) fn valid(kind: Kind) -> Vec<Value> {
    let all = all(&schema(kind, "spec"));
    let edited = |edits: &[Edit]| {
        let mut spec = all.clone();
        edits.iter().for_each(|edit| edit.apply(&mut spec));
        spec
    };
    match kind {
        Kind::McpServer => {
            vec![edited(&[REDIS, &IN_PLACE[..]].concat()), edited(&[REDIS, &REFERRED].concat())]
        }
        Kind::McpRemoteProxy => vec![edited(&IN_PLACE), edited(&REFERRED)],
        Kind::VirtualMcpServer => {
            let oidc = [Edit::Set("/incomingAuth/type", "oidc"), REDIS[0]];
            let in_place = [
                Edit::Remove("/incomingAuth/oidcConfigRef"),
                Edit::Remove("/incomingAuth/authzConfigRef"),
                Edit::Remove("/incomingAuth/authzConfig/inline"),
            ];
            let referred =
                [Edit::Remove("/incomingAuth/oidcConfig"), Edit::Remove("/incomingAuth/authzConfig")];
            vec![edited(&[&oidc[..], &in_place].concat()), edited(&[&oidc[..], &referred].concat())]
        }
        Kind::McpOidcConfig => vec![
            edited(&[Edit::Remove("/inline")]),
            edited(&[Edit::Set("/type", "inline"), Edit::Remove("/kubernetesServiceAccount")]),
        ],
        Kind::McpExternalAuthConfig => by_type(&all),
        _ => vec![all],
    }
}

#[derive(Clone, Copy)]
enum Edit {
    Remove(&'static str),
    Set(&'static str, &'static str),
}

const REDIS: &[Edit] = &[Edit::Set("/sessionStorage/provider", "redis")];
const IN_PLACE: [Edit; 4] = [
    Edit::Remove("/oidcConfigRef"),
    Edit::Remove("/authzConfigRef"),
    Edit::Remove("/authzConfig/configMap"),
    Edit::Set("/authzConfig/type", "inline"),
];
const REFERRED: [Edit; 2] = [Edit::Remove("/oidcConfig"), Edit::Remove("/authzConfig")];

impl Edit {
    fn apply(self, spec: &mut Value) {
        match self {
            Edit::Remove(pointer) => {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                let parent = spec.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
                assert!(parent.shift_remove(name).is_some(), "{pointer}");
            }
            Edit::Set(pointer, text) => *spec.pointer_mut(pointer).unwrap() = json!(text),
        }
    }
}

/// An MCPExternalAuthConfig of each type, with the block of that type only.
fn by_type(all: &Value) -> Vec<Value> {
    let types = &schema(Kind::McpExternalAuthConfig, "spec")["properties"]["type"]["enum"];
    let of = |name: &Value| {
        let mut spec = json!({"type": name});
        if let Some(block) = all.get(name.as_str().unwrap()) {
            spec[name.as_str().unwrap()] = block.clone();
        }
        spec
    };
    types.as_array().unwrap().iter().map(of).collect()
}

fn fields(schema: &Value) -> Value {
    let mut fields = Map::new();
    if let Some(Value::Object(properties)) = schema.get("properties") {
        fields.extend(properties.iter().map(|(name, property)| (name.clone(), field(name, property))));
    } else if let Some(values) = schema.get("additionalProperties") {
        fields.insert("key".to_owned(), all(values));
    } else {
        fields.insert("any".to_owned(), json!({"thing": 1}));
    }
    Value::Object(fields)
}

/// What a composite tool nests in itself is described by the types alone: a schema has an end.
fn field(name: &str, schema: &Value) -> Value {
    match name {
        "step" => json!({"id": "inner", "tool": "server.tool"}),
        "properties" if schema.get("additionalProperties").is_none() => json!({"inner": {"type": "string"}}),
        _ => all(schema),
    }
}

fn text(schema: &Value) -> &'static str {
    if schema["format"] == "date-time" {
        return "2026-01-02T03:04:05Z";
    }
    match schema["pattern"].as_str() {
        None => "text",
        Some(pattern) => {
            let known = PATTERNS.iter().find(|(known, _)| *known == pattern);
            known.unwrap_or_else(|| panic!("add a text that matches {pattern}")).1
        }
    }
}

/// What matches each pattern of the CRDs.
const PATTERNS: [(&str, &str); 12] = [
    (r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$", "1m30s"),
    ("^https?://", "https://mcp.example.com/mcp"),
    ("^https://.*$", "https://idp.example.com/token"),
    (r"^https?://[^\s?#]+[^/\s?#]$", "https://as.example.com"),
    ("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "name"),
    ("^[a-zA-Z0-9][a-zA-Z0-9._-]*$", "server.tool"),
    (r"^([0-9]*[.])?[0-9]+$", "0.5"),
    (r"^[a-z]{2}(-[a-z]+)+-\d+$", "eu-west-1"),
    (r"^arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/[\w+=,.@\-_/]+$", "arn:aws:iam::123456789012:role/r"),
    ("^(access_token|id_token|jwt|urn:ietf:params:oauth:token-type:(access_token|id_token|jwt))?$", "jwt"),
    ("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", "Reason"),
    (
        r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        "DiscoveredAuthConfig-a.b",
    ),
];

//! apiVersion, kind and names: which object a document is, and whether it is one of ours.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::nearest::nearest;
use super::recover::{self, Finding};
use super::{Complaint, Failure, Reader};
use crate::diagnostic::Severity;
use crate::document::{Document, Object, Place, Resource};
use crate::meta::{DEFAULT_NAMESPACE, GROUP, Kind, ObjectRef, VERSIONS};
use crate::yaml::{Inside, Segment, Spot};

/// Reads one document or list item into the reader.
pub(super) fn document(reader: &mut Reader, value: &Value, spot: &Spot) {
    let Value::Object(fields) = value else {
        let found = match value {
            Value::Array(_) => "a list",
            Value::Null => "an empty list item",
            _ => "a single value",
        };
        return reject(
            reader,
            spot,
            "",
            "not-an-object",
            format!("expected an object with apiVersion, kind, metadata and spec, found {found}"),
            "write one manifest per document, separated by ---".to_owned(),
        );
    };
    let (Some(api_version), Some(kind)) = (text(value, "apiVersion"), text(value, "kind")) else {
        let field = if text(value, "apiVersion").is_none() { "apiVersion" } else { "kind" };
        let message = if fields.contains_key(field) {
            format!("{field} is not text")
        } else {
            format!("{field} is required")
        };
        let remedy = match field {
            "apiVersion" => {
                format!("write apiVersion: {GROUP}/v1beta1, or move the file out of the directory")
            }
            _ => format!("write kind: with one of {}", kinds()),
        };
        return reject(reader, spot, field, "missing-field", message, remedy);
    };
    if is_list(api_version, kind) {
        return list(reader, value, spot);
    }
    match classify(api_version, kind) {
        Class::Ours(kind) => ours(reader, kind, value, spot),
        Class::Foreign => foreign(reader, value, spot, api_version, kind),
        Class::Wrong { field, message, remedy } => {
            let code = if field == "kind" { "unknown-kind" } else { "bad-api-version" };
            let object = identify(value);
            let at = spot.locate(&Segment::parse(field));
            let name = value.get("metadata").and_then(|metadata| text(metadata, "name"));
            let message = match name {
                Some(name) if object.is_none() => format!("{message} (object {name})"),
                _ => message,
            };
            let complaint = Complaint { code, message, remedy };
            reader.say(Severity::Error, object.clone(), at, Some(field.to_owned()), complaint);
            reader.reading.failures.push(object.map_or(Failure::File, Failure::Object));
        }
    }
}

/// The object that a document claims to be, as far as kind and name are legible.
pub(super) fn identify(value: &Value) -> Option<ObjectRef> {
    let kind = Kind::parse(text(value, "kind")?)?;
    let metadata = value.get("metadata")?;
    let name = text(metadata, "name").filter(|name| !name.is_empty())?;
    let namespace = match metadata.get("namespace") {
        None | Some(Value::Null) => DEFAULT_NAMESPACE,
        Some(Value::String(namespace)) if namespace.is_empty() => DEFAULT_NAMESPACE,
        Some(namespace) => namespace.as_str()?,
    };
    Some(ObjectRef::new(kind, namespace, name))
}

enum Class {
    Ours(Kind),
    Foreign,
    Wrong { field: &'static str, message: String, remedy: String },
}

fn classify(api_version: &str, kind: &str) -> Class {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    match (group == GROUP, Kind::parse(kind)) {
        (true, Some(kind)) if VERSIONS.contains(&version) => Class::Ours(kind),
        (true, Some(_)) => Class::Wrong {
            field: "apiVersion",
            message: format!("{api_version:?} is not a version of {GROUP}"),
            remedy: format!("write apiVersion: {GROUP}/v1beta1 or {GROUP}/v1alpha1"),
        },
        (true, None) => Class::Wrong {
            field: "kind",
            message: format!("{kind:?} is not a kind of {GROUP}"),
            remedy: match nearest(kind, Kind::names()) {
                Some(name) => format!("did you mean {name}?"),
                None => format!("write one of {}", kinds()),
            },
        },
        (false, Some(_)) => Class::Wrong {
            field: "apiVersion",
            message: format!("{kind} is a kind of {GROUP}, not of {api_version:?}"),
            remedy: format!("write apiVersion: {GROUP}/v1beta1"),
        },
        (false, None) => Class::Foreign,
    }
}

/// Whether an object is but a list of others.
pub(super) fn is_list_object(value: &Value) -> bool {
    text(value, "apiVersion").zip(text(value, "kind")).is_some_and(|(version, kind)| is_list(version, kind))
}

fn is_list(api_version: &str, kind: &str) -> bool {
    let typed = kind.strip_suffix("List").and_then(Kind::parse).is_some();
    kind == "List" && api_version == "v1" || typed && api_version.starts_with(GROUP)
}

fn list(reader: &mut Reader, value: &Value, spot: &Spot) {
    let items = spot.get(&[Segment::Key("items".to_owned())]);
    match (value.get("items"), items.map(|spot| &spot.inside)) {
        (Some(Value::Array(values)), Some(Inside::Items(spots))) => {
            for (value, spot) in values.iter().zip(spots) {
                document(reader, value, spot);
            }
        }
        (None | Some(Value::Null), _) => {}
        _ => reject(
            reader,
            spot,
            "items",
            "bad-type",
            "items is not a list".to_owned(),
            "write the objects as items of the list".to_owned(),
        ),
    }
}

fn foreign(reader: &mut Reader, value: &Value, spot: &Spot, api_version: &str, kind: &str) {
    let name = value.get("metadata").and_then(|metadata| text(metadata, "name")).unwrap_or("without a name");
    let complaint = Complaint {
        code: "foreign-kind",
        message: format!("{kind} {name} ({api_version}) is not read here"),
        remedy: "nothing to do; in a cluster, apply it with kubectl".to_owned(),
    };
    reader.say(Severity::Info, None, spot.at, None, complaint);
}

fn ours(reader: &mut Reader, kind: Kind, value: &Value, spot: &Spot) {
    if let Some((field, message)) = bad_name(value) {
        let (code, remedy) = if message.ends_with("required") {
            ("missing-field", "write metadata: with name:, unique in its namespace")
        } else if message.starts_with("expected") {
            ("bad-type", "put it in quotes: YAML reads y, n, yes, no, on and off as true and false")
        } else {
            ("bad-name", "use lower-case letters, digits and '-', with a letter or digit at both ends")
        };
        return reject(reader, spot, field, code, message, remedy.to_owned());
    }
    let Some(object_ref) = identify(value) else {
        let message = "kind and metadata.name cannot be read".to_owned();
        return reject(
            reader,
            spot,
            "metadata",
            "bad-type",
            message,
            "write metadata: with name:".to_owned(),
        );
    };
    if let Kind::Opaque(_) = kind {
        let complaint = Complaint {
            code: "kind-not-served",
            message: format!("{kind} is accepted, but has no effect yet"),
            remedy: "nothing to do; what refers to it is reported where it matters".to_owned(),
        };
        return reader.say(Severity::Info, Some(object_ref), spot.at, None, complaint);
    }
    match typed(kind, value) {
        (Some(object), findings) => {
            report(reader, &object_ref, spot, findings);
            let place = reader.file.as_ref();
            let place = place.map(|file| Place { file: Arc::clone(file), spot: spot.clone() });
            reader.reading.documents.push(Document { object_ref, object, place });
        }
        (None, findings) => {
            report(reader, &object_ref, spot, findings);
            reader.reading.failures.push(Failure::Object(object_ref));
        }
    }
}

fn typed(kind: Kind, value: &Value) -> (Option<Object>, Vec<Finding>) {
    match kind {
        // these say something without a spec
        Kind::McpGroup | Kind::McpToolConfig | Kind::McpTelemetryConfig
            if value.get("spec").is_none_or(Value::is_null) =>
        {
            let mut value = value.clone();
            value["spec"] = json!({});
            typed(kind, &value)
        }
        Kind::McpGroup => resource(value, Object::Group),
        Kind::McpServer => resource(value, Object::Server),
        Kind::McpRemoteProxy => resource(value, Object::RemoteProxy),
        Kind::McpServerEntry => resource(value, Object::Entry),
        Kind::VirtualMcpServer => resource(value, Object::VirtualServer),
        Kind::VirtualMcpCompositeToolDefinition => resource(value, Object::CompositeToolDefinition),
        Kind::McpOidcConfig => resource(value, Object::OidcConfig),
        Kind::McpExternalAuthConfig => resource(value, Object::ExternalAuthConfig),
        Kind::McpAuthzConfig => resource(value, Object::AuthzConfig),
        Kind::McpToolConfig => resource(value, Object::ToolConfig),
        Kind::McpTelemetryConfig => resource(value, Object::TelemetryConfig),
        Kind::Opaque(_) => (None, Vec::new()),
    }
}

fn resource<S: DeserializeOwned>(
    value: &Value,
    wrap: fn(Box<Resource<S>>) -> Object,
) -> (Option<Object>, Vec<Finding>) {
    let (object, findings) = recover::deserialize::<S>(value);
    (object.map(|object| wrap(Box::new(object))), findings)
}

fn report(reader: &mut Reader, object: &ObjectRef, spot: &Spot, findings: Vec<Finding>) {
    for Finding { severity, path, complaint } in findings {
        let at = match complaint.code {
            "unknown-field" => spot.key(&path),
            _ => None,
        };
        let at = at.unwrap_or_else(|| spot.locate(&path));
        let field = crate::yaml::path_string(&path);
        reader.say(severity, Some(object.clone()), at, (!field.is_empty()).then_some(field), complaint);
    }
}

/// A document of which not even the name is sure.
fn reject(
    reader: &mut Reader,
    spot: &Spot,
    field: &str,
    code: &'static str,
    message: String,
    remedy: String,
) {
    let at = spot.locate(&Segment::parse(field));
    let field = (!field.is_empty()).then(|| field.to_owned());
    reader.say(Severity::Error, None, at, field, Complaint { code, message, remedy });
    reader.reading.failures.push(Failure::File);
}

/// Names as Kubernetes has them (RFC 1123), checked before they become part of URLs and host names.
fn bad_name(value: &Value) -> Option<(&'static str, String)> {
    let metadata = value.get("metadata").filter(|metadata| !metadata.is_null());
    let Some(metadata) = metadata else {
        return Some(("metadata", "metadata.name is required".to_owned()));
    };
    match metadata.get("name") {
        None | Some(Value::Null) => return Some(("metadata.name", "metadata.name is required".to_owned())),
        Some(Value::String(name)) if is_subdomain(name) => {}
        Some(name) => return Some(("metadata.name", not_a_name(name))),
    }
    match metadata.get("namespace") {
        None | Some(Value::Null) => None,
        Some(Value::String(namespace)) if namespace.is_empty() || is_label(namespace) => None,
        Some(namespace) => Some(("metadata.namespace", not_a_name(namespace))),
    }
}

fn not_a_name(value: &Value) -> String {
    if value.is_string() { format!("{value} is not a name") } else { format!("expected text, found {value}") }
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

fn kinds() -> String {
    Kind::SERVED.map(Kind::as_str).join(", ")
}

//! Pods of MCPServers: the template that follows from a spec, with `podTemplateSpec` merged into it (spec 1.2, 2.2).

mod defaults;
mod overrides;
mod stdio;
mod strategic;

use serde_json::{Map, Value, json};
use tidegate_controlplane_api::Resource;
use tidegate_controlplane_api::types::{McpServerSpec, ServerTransport};

pub(crate) use stdio::BRIDGE_IMAGE;
pub(crate) use strategic::Misfit;

/// The container that runs the server.
const CONTAINER: &str = "mcp";
/// Where servers listen that do not say otherwise.
const PORT: u16 = 8080;
/// Set to a time by whoever wants the pods anew (spec 2.2).
const RESTARTED_AT: &str = "mcpserver.toolhive.stacklok.dev/restarted-at";

/// Why there is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoTemplate {
    /// `podTemplateSpec` is not one.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// Nothing says which program speaks on standard input and output.
    #[error(
        "transport stdio needs the program to run, as the entrypoint of an image cannot be known: write it as \
         podTemplateSpec: {{spec: {{containers: [{{name: mcp, command: [PROGRAM]}}]}}}}; spec.args follow it"
    )]
    NoCommand,
}

/// Where the container listens.
pub(crate) fn port(spec: &McpServerSpec) -> u16 {
    spec.mcp_port.map_or(PORT, u16::from)
}

/// `spec.template` of the workload. `labels` stand, whatever `podTemplateSpec` says; `bridge` is the image with the program
/// that serves what speaks stdio.
pub(crate) fn template(
    server: &Resource<McpServerSpec>,
    labels: &Map<String, Value>,
    bridge: &str,
) -> Result<Value, NoTemplate> {
    let spec = &server.spec;
    let empty = Map::new();
    let patch = spec.pod_template_spec.as_ref().unwrap_or(&empty);
    let mut template = strategic::merge(defaults::template(spec, patch), patch)?;
    if spec.transport.unwrap_or(ServerTransport::Stdio) == ServerTransport::Stdio {
        stdio::wrap(&mut template, port(spec), bridge)?;
    }
    let metadata = fields(&mut template, "metadata");
    fields(metadata, "labels").extend(labels.clone());
    if let Some(time) = server.metadata.annotations.get(RESTARTED_AT) {
        fields(metadata, "annotations").insert(RESTARTED_AT.to_owned(), json!(time));
    }
    Ok(Value::Object(template))
}

/// An inner object, made if there is none.
fn fields<'a>(object: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let inner = object.entry(name).or_insert_with(|| json!({}));
    if !inner.is_object() {
        *inner = json!({});
    }
    inner.as_object_mut().expect("it has just been made an object")
}

/// A list, made if there is none.
fn items<'a>(object: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    let inner = object.entry(name).or_insert_with(|| json!([]));
    if !inner.is_array() {
        *inner = json!([]);
    }
    inner.as_array_mut().expect("it has just been made a list")
}

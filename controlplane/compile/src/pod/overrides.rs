//! `spec.resourceOverrides`: of what the original generates, as much as there is here (spec 1.2).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegate_controlplane_api::types::{McpServerSpec, Raw};

/// Labels of the Service in front of the server.
pub(crate) fn service_labels(overrides: Option<&Raw>) -> BTreeMap<String, String> {
    texts(overrides, "labels")
}

/// Annotations of it.
pub(crate) fn service_annotations(overrides: Option<&Raw>) -> BTreeMap<String, String> {
    texts(overrides, "annotations")
}

fn texts(overrides: Option<&Raw>, field: &str) -> BTreeMap<String, String> {
    let map = overrides.and_then(|overrides| overrides.get("proxyService")?.get(field)?.as_object());
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    map.into_iter().flatten().filter_map(text).collect()
}

/// Credentials for images, given for the proxy's pod and for that of the server alike.
pub(super) fn image_pull_secrets(spec: &McpServerSpec) -> Vec<Value> {
    let deployment = spec.resource_overrides.as_ref().and_then(|overrides| overrides.get("proxyDeployment"));
    let secrets = deployment.and_then(|deployment| deployment.get("imagePullSecrets")?.as_array());
    let name = |secret: &Value| Some(json!({"name": secret.get("name")?.as_str()?}));
    secrets.into_iter().flatten().filter_map(name).collect()
}

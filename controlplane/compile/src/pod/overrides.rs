//! `spec.resourceOverrides`: of what the original generates, as much as there is here (spec 1.2).

use serde_json::{Value, json};
use tidegate_controlplane_api::types::McpServerSpec;

/// Credentials for images, given for the proxy's pod and for that of the server alike.
pub(super) fn image_pull_secrets(spec: &McpServerSpec) -> Vec<Value> {
    let deployment =
        spec.resource_overrides.as_ref().and_then(|overrides| overrides.proxy_deployment.as_ref());
    let secrets = deployment.into_iter().flat_map(|deployment| &deployment.image_pull_secrets);
    secrets.map(|secret| json!({"name": secret.name.0})).collect()
}

//! The template before `podTemplateSpec` is merged into it: what the fields of a spec say, and what the original gives a
//! foreign image: a user who is not root, no writable root file system, no privileges.

use serde_json::{Map, Value, json};
use tidegate_controlplane_api::types::{EnvVar, McpServerSpec, ResourceList, Resources, ServerTransport};

use super::{CONTAINER, overrides, port};

type Fields = Map<String, Value>;

/// User and group of the pod's processes.
const USER: u32 = 1000;
/// Time that a server has for its start: images that install packages first take minutes.
const START: (u32, u32) = (2, 150);

pub(super) fn template(spec: &McpServerSpec, patch: &Fields) -> Fields {
    let mut pod = Map::new();
    // links to other Services would fill the environment, perhaps with an MCP_PORT that is none
    pod.insert("enableServiceLinks".to_owned(), json!(false));
    account(&mut pod, spec, patch);
    let secrets = overrides::image_pull_secrets(spec);
    if !secrets.is_empty() {
        pod.insert("imagePullSecrets".to_owned(), Value::Array(secrets));
    }
    pod.insert(
        "securityContext".to_owned(),
        json!({
            "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        }),
    );
    pod.insert("containers".to_owned(), json!([container(spec, patch)]));
    if !spec.volumes.is_empty() {
        let volume = |v: &tidegate_controlplane_api::types::Volume| json!({"name": v.name.0, "hostPath": {"path": v.host_path.0}});
        pod.insert("volumes".to_owned(), spec.volumes.iter().map(volume).collect());
    }
    Map::from_iter([("spec".to_owned(), Value::Object(pod))])
}

/// A server that names no service account gets no token to the API server.
fn account(pod: &mut Fields, spec: &McpServerSpec, patch: &Fields) {
    match spec.service_account.as_deref().filter(|account| !account.is_empty()) {
        Some(account) => drop(pod.insert("serviceAccountName".to_owned(), json!(account))),
        None if patched(patch, "serviceAccountName").is_none() => {
            pod.insert("automountServiceAccountToken".to_owned(), json!(false));
        }
        None => {}
    }
}

fn container(spec: &McpServerSpec, patch: &Fields) -> Value {
    let mut container = Map::new();
    let mut set = |name: &str, value: Value| drop(container.insert(name.to_owned(), value));
    set("name", json!(CONTAINER));
    set("image", json!(spec.image.0));
    if !spec.args.is_empty() {
        set("args", json!(spec.args));
    }
    set("env", Value::Array(environment(spec)));
    set("ports", json!([{"name": "http", "containerPort": port(spec), "protocol": "TCP"}]));
    if let Some(resources) = spec.resources.as_ref().map(resources).filter(|fields| !fields.is_empty()) {
        set("resources", Value::Object(resources));
    }
    set(
        "securityContext",
        json!({
            "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "privileged": false,
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        }),
    );
    for (name, probe) in probes(port(spec)) {
        // a probe has one handler: with one that is written, ours would be a second
        if patched_container(patch).is_none_or(|container| !container.contains_key(name)) {
            set(name, probe);
        }
    }
    if !spec.volumes.is_empty() {
        let mount = |v: &tidegate_controlplane_api::types::Volume| json!({"name": v.name.0, "mountPath": v.mount_path.0, "readOnly": v.read_only});
        set("volumeMounts", spec.volumes.iter().map(mount).collect());
    }
    Value::Object(container)
}

/// What the original sets, then `env`, then `secrets`; of one name, the last.
fn environment(spec: &McpServerSpec) -> Vec<Value> {
    let port = port(spec).to_string();
    let own = match spec.transport.unwrap_or(ServerTransport::Stdio) {
        ServerTransport::Stdio => vec![("MCP_TRANSPORT", "stdio")],
        ServerTransport::StreamableHttp => http("streamable-http", &port),
        ServerTransport::Sse => http("sse", &port),
    };
    let own = own.into_iter().map(|(name, value)| (name, json!({"name": name, "value": value})));
    let plain = |env: &EnvVar| json!({"name": env.name.0, "value": env.value});
    let plain = spec.env.iter().map(|env| (env.name.0.as_str(), plain(env)));
    let secret = spec.secrets.iter().map(|secret| {
        let name = secret.target_env_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&secret.key.0);
        let from = json!({"secretKeyRef": {"name": secret.name.0, "key": secret.key.0}});
        (name, json!({"name": name, "valueFrom": from}))
    });
    let mut variables: Vec<(&str, Value)> = Vec::new();
    for (name, variable) in own.chain(plain).chain(secret) {
        match variables.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = variable,
            None => variables.push((name, variable)),
        }
    }
    variables.into_iter().map(|(_, variable)| variable).collect()
}

fn http<'a>(transport: &'a str, port: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("MCP_TRANSPORT", transport), ("MCP_PORT", port), ("FASTMCP_PORT", port), ("MCP_HOST", "0.0.0.0")]
}

fn resources(resources: &Resources) -> Fields {
    let list = |list: &ResourceList| {
        let quantities = [("cpu", &list.cpu), ("memory", &list.memory)];
        let written = quantities.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        written.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Fields>()
    };
    let lists = [("limits", &resources.limits), ("requests", &resources.requests)];
    let written = lists.into_iter().filter_map(|(name, quantities)| Some((name, list(quantities.as_ref()?))));
    written.map(|(name, quantities)| (name.to_owned(), Value::Object(quantities))).collect()
}

/// Whether anybody listens; how the server answers is for the gateways to find out.
fn probes(port: u16) -> [(&'static str, Value); 2] {
    let (period, failures) = START;
    let listens = json!({"port": port});
    [
        (
            "startupProbe",
            json!({"tcpSocket": listens, "periodSeconds": period, "failureThreshold": failures}),
        ),
        ("readinessProbe", json!({"tcpSocket": listens, "periodSeconds": 5, "failureThreshold": 3})),
    ]
}

fn patched<'a>(patch: &'a Fields, field: &str) -> Option<&'a Value> {
    patch.get("spec")?.get(field)
}

fn patched_container(patch: &Fields) -> Option<&Fields> {
    let containers = patched(patch, "containers")?.as_array()?;
    containers
        .iter()
        .find(|container| container.get("name").is_some_and(|name| name == CONTAINER))?
        .as_object()
}

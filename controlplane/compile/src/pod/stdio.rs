//! Servers that speak on standard input and output, behind `tidegate bridge` in their own container (ADR 0014): an init
//! container puts the program into a volume, and the container runs it with the server's command behind it.

use serde_json::{Map, Value, json};

use super::{CONTAINER, NoTemplate, fields, items};

/// The image with the program, built with this version.
pub(crate) const BRIDGE_IMAGE: &str = concat!("tidegate/tidegate:", env!("CARGO_PKG_VERSION"));
/// The program in that image.
const PROGRAM: &str = "/usr/local/bin/tidegate";
/// Name of the volume, and of the init container.
const NAME: &str = "tidegate-bridge";
/// Where the volume is mounted.
const FOLDER: &str = "/tidegate";

/// Has the container's command run by the bridge, which listens on `port`.
pub(super) fn wrap(template: &mut Map<String, Value>, port: u16, image: &str) -> Result<(), NoTemplate> {
    let pod = fields(template, "spec");
    let containers = items(pod, "containers").iter_mut().filter_map(Value::as_object_mut);
    let mut named =
        containers.filter(|container| container.get("name").is_some_and(|name| name == CONTAINER));
    let container = named.next().ok_or(NoTemplate::NoCommand)?;
    let command = texts(container, "command").filter(|command| !command.is_empty());
    let mut argv = vec![
        json!(format!("{FOLDER}/tidegate")),
        json!("bridge"),
        json!("--listen"),
        json!(format!("0.0.0.0:{port}")),
        json!("--"),
    ];
    argv.extend(command.ok_or(NoTemplate::NoCommand)?);
    argv.extend(texts(container, "args").unwrap_or_default());
    container.insert("command".to_owned(), Value::Array(argv));
    container.shift_remove("args");
    items(container, "volumeMounts").push(json!({"name": NAME, "mountPath": FOLDER, "readOnly": true}));
    items(pod, "volumes").push(json!({"name": NAME, "emptyDir": {}}));
    items(pod, "initContainers").insert(0, install(image));
    Ok(())
}

fn install(image: &str) -> Value {
    json!({
        "name": NAME,
        "image": image,
        "command": [PROGRAM, "copy-to", FOLDER],
        "volumeMounts": [{"name": NAME, "mountPath": FOLDER}],
        "securityContext": {
            "privileged": false, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    })
}

fn texts(container: &Map<String, Value>, field: &str) -> Option<Vec<Value>> {
    container.get(field)?.as_array().cloned()
}

//! `spec.podTemplateSpec`: there is no pod per virtual server; the environment of its container `vmcp` is read
//! (decision 6, spec 5.3).

use serde_json::Value;
use tidegate_controlplane_api::types::{Raw, VirtualMcpServerSpec};

use crate::compiled::Condition;
use crate::report::Report;

const VARIABLE: &str = "TOOLHIVE_REMOTE_HEALTHCHECKS";
const CONTAINER: &str = "vmcp";

/// Whether remote backends are probed too.
pub(super) fn probe_remote(
    report: &mut Report<'_>,
    spec: &VirtualMcpServerSpec,
    conditions: &mut Vec<Condition>,
) -> bool {
    let Some(template) = &spec.pod_template_spec else { return false };
    match containers(template) {
        Ok(containers) => {
            let message = "the pod template is valid";
            conditions.push(Condition::of("PodTemplateSpecValid", true, "PodTemplateSpecValid", message));
            containers.iter().enumerate().any(|(index, container)| read(report, index, container))
        }
        Err((field, message)) => {
            let kind = "PodTemplateSpecValid";
            conditions.push(Condition::of(kind, false, "InvalidPodTemplateSpec", message.as_str()));
            let remedy =
                "write it as in a Deployment's template: spec: {containers: [{name: vmcp, env: [...]}]}";
            report.invalid("bad-pod-template", &format!("spec.podTemplateSpec{field}"), message, remedy);
            false
        }
    }
}

type Misshapen = (String, String);

/// The containers, each an object with a name and well-formed variables.
fn containers(template: &Raw) -> Result<&[Value], Misshapen> {
    let Some(spec) = template.get("spec") else { return Ok(&[]) };
    let spec = spec.as_object().ok_or_else(|| wrong(".spec", "an object"))?;
    let Some(containers) = spec.get("containers") else { return Ok(&[]) };
    let containers = containers.as_array().ok_or_else(|| wrong(".spec.containers", "a list"))?;
    for (index, container) in containers.iter().enumerate() {
        let field = format!(".spec.containers[{index}]");
        if container.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(wrong(&format!("{field}.name"), "the name of a container"));
        }
        let env = match container.get("env") {
            None => continue,
            Some(env) => env.as_array().ok_or_else(|| wrong(&format!("{field}.env"), "a list"))?,
        };
        for (number, variable) in env.iter().enumerate() {
            let field = format!("{field}.env[{number}]");
            if variable.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(wrong(&format!("{field}.name"), "the name of a variable"));
            }
            if variable.get("value").is_some_and(|value| !value.is_string()) {
                return Err(wrong(&format!("{field}.value"), "text (put it in quotes)"));
            }
        }
    }
    Ok(containers)
}

fn wrong(field: &str, expected: &str) -> Misshapen {
    (field.to_owned(), format!("podTemplateSpec{field} must be {expected}"))
}

/// Reads the variable of one container, and says what has no effect.
fn read(report: &mut Report<'_>, index: usize, container: &Value) -> bool {
    let field = format!("spec.podTemplateSpec.spec.containers[{index}]");
    if container.get("name").and_then(Value::as_str) != Some(CONTAINER) {
        report.no_effect(&field, "there is no pod per virtual server; only the environment of vmcp is read");
        return false;
    }
    for key in container.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if key != "name" && key != "env" {
            report.no_effect(&format!("{field}.{key}"), "there is no pod per virtual server");
        }
    }
    let mut probe = false;
    let variables = container.get("env").and_then(Value::as_array);
    for (number, variable) in variables.into_iter().flatten().enumerate() {
        let (name, value) = (variable.get("name"), variable.get("value").and_then(Value::as_str));
        if name.and_then(Value::as_str) != Some(VARIABLE) {
            let why = format!("of the environment only {VARIABLE} is read");
            report.no_effect(&format!("{field}.env[{number}]"), &why);
        } else if let Some(value) = value {
            probe = value.eq_ignore_ascii_case("true") || value == "1";
        } else {
            let message = "the variable has no plain value; remote backends are not probed";
            report.warn("bad-variable", &format!("{field}.env[{number}]"), message, "write value: \"true\"");
        }
    }
    probe
}

//! VirtualMCPCompositeToolDefinition: whether a workflow can be run (spec 7.1), and who uses it (spec 1.6). Of templates, only
//! their braces and the outputs that they name are looked at.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_controlplane_api::types::{CompositeTool, ErrorAction, Step, StepType};
use tidegate_controlplane_api::{Document, Object, ObjectRef};

use super::{cycles, status_of};
use crate::compiled::{Condition, Details, ObjectStatus, Workflow};

const MOST_STEPS: usize = 100;
const MOST_PARALLEL: u32 = 50;
const MOST_ITERATIONS: u32 = 1000;

pub(super) fn status(document: &Document, by: &BTreeSet<ObjectRef>) -> ObjectStatus {
    let errors = match &document.object {
        Object::CompositeToolDefinition(tool) => errors(&tool.spec),
        _ => Vec::new(),
    };
    let conditions = if errors.is_empty() {
        vec![
            Condition::of("WorkflowValidated", true, "ValidationSucceeded", "the workflow is valid"),
            Condition::of("Ready", true, "WorkflowReady", "virtual servers can refer to it"),
        ]
    } else {
        let message = errors.join("; ");
        vec![
            Condition::of("WorkflowValidated", false, "ValidationFailed", message.as_str()),
            Condition::of("Ready", false, "WorkflowNotReady", message),
        ]
    };
    let referring = by.iter().map(|object| object.name.to_string()).collect();
    let workflow = Workflow { errors, referring };
    let details = Details { workflow: Some(workflow), ..Details::default() };
    ObjectStatus { details, ..status_of(conditions) }
}

/// Everything that is wrong, in the order of the spec.
fn errors(tool: &CompositeTool) -> Vec<String> {
    let mut errors = Vec::new();
    if !is_tool_name(&tool.name.0) {
        errors.push(format!("name {:?} is not a tool name", tool.name.0));
    }
    if tool.description.as_deref().is_none_or(str::is_empty) {
        errors.push("description is required".to_owned());
    }
    if tool
        .parameters
        .as_ref()
        .is_some_and(|schema| schema.get("type").is_none_or(|r#type| r#type != "object"))
    {
        errors.push("parameters must be a JSON Schema with type: object".to_owned());
    }
    if tool.steps.is_empty() || tool.steps.len() > MOST_STEPS {
        errors.push(format!("steps must be 1 to {MOST_STEPS}, not {}", tool.steps.len()));
    }
    let ids: BTreeSet<&str> = tool.steps.iter().map(|step| step.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    for (index, step) in tool.steps.iter().enumerate() {
        if step.id.is_empty() {
            errors.push(format!("steps[{index}].id is required"));
        } else if !seen.insert(step.id.as_str()) {
            errors.push(format!("steps[{index}].id {:?} is that of another step", step.id));
        }
        check_step(step, &format!("steps[{}]", step.id), &mut errors);
        for unknown in step.depends_on.iter().filter(|id| !ids.contains(id.as_str())) {
            errors.push(format!("steps[{}].dependsOn references unknown step {unknown:?}", step.id));
        }
    }
    let steps = tool.steps.iter();
    let steps = steps.map(|step| (step.id.as_str(), step.depends_on.iter().map(String::as_str).collect()));
    if let Some(cycle) = cycles::find(&steps.collect()) {
        errors.push(format!(
            "dependency cycle detected involving step {:?}: {}",
            cycle[0],
            cycle.join(" -> ")
        ));
    }
    check_defaults(tool, &mut errors);
    let outputs = tool.output.iter().flat_map(|output| &output.required);
    for name in
        outputs.filter(|name| !tool.output.as_ref().is_some_and(|it| it.properties.contains_key(*name)))
    {
        errors.push(format!("output.required names {name:?}, which is no property"));
    }
    errors
}

fn check_step(step: &Step, place: &str, errors: &mut Vec<String>) {
    match step.r#type.unwrap_or(StepType::Tool) {
        StepType::Tool => match step.tool.as_deref() {
            None | Some("") => errors.push(format!("{place}.tool is required")),
            Some(tool) if !is_tool_name(tool) => {
                errors.push(format!("{place}.tool {tool:?} is not a tool name"))
            }
            Some(_) => {}
        },
        StepType::Elicitation => {
            if step.message.as_deref().is_none_or(str::is_empty) {
                errors.push(format!("{place}.message is required for an elicitation"));
            }
            if step.schema.is_none() {
                errors.push(format!("{place}.schema is required for an elicitation"));
            }
        }
        StepType::ForEach => check_for_each(step, place, errors),
    }
    let error = step.on_error.as_ref();
    let retries =
        error.filter(|error| error.action == Some(ErrorAction::Retry)).map(|error| error.retry_count);
    if retries.is_some_and(|count| !matches!(count, Some(1..=10))) {
        errors.push(format!("{place}.onError.retryCount must be 1 to 10 when action is retry"));
    }
    for text in
        templates(step).into_iter().filter(|text| text.matches("{{").count() != text.matches("}}").count())
    {
        errors.push(format!("{place}: the template {text:?} has braces that do not match"));
    }
}

fn check_for_each(step: &Step, place: &str, errors: &mut Vec<String>) {
    if step.collection.as_deref().is_none_or(str::is_empty) {
        errors.push(format!("{place}.collection is required for forEach"));
    }
    match &step.step {
        None => errors.push(format!("{place}.step is required for forEach")),
        Some(inner) if inner.r#type.unwrap_or(StepType::Tool) != StepType::Tool => {
            errors.push(format!("{place}.step must be of type tool"));
        }
        Some(inner) => check_step(inner, &format!("{place}.step"), errors),
    }
    if step.item_var.as_deref().is_some_and(|name| name == "index" || !is_identifier(name)) {
        errors.push(format!("{place}.itemVar must be an identifier, and not index"));
    }
    let bounds = [
        ("maxParallel", step.max_parallel, MOST_PARALLEL),
        ("maxIterations", step.max_iterations, MOST_ITERATIONS),
    ];
    for (field, _, most) in
        bounds.into_iter().filter(|(_, value, most)| value.is_some_and(|v| v == 0 || v > *most))
    {
        errors.push(format!("{place}.{field} must be 1 to {most}"));
    }
}

/// A step that may be skipped needs defaults for what others read of it.
fn check_defaults(tool: &CompositeTool, errors: &mut Vec<String>) {
    for step in tool.steps.iter().filter(|step| may_be_skipped(step)) {
        let has =
            |field: &str| step.default_results.as_ref().is_some_and(|results| results.contains_key(field));
        let mut told = BTreeSet::new();
        for (reader, texts) in readers(tool).filter(|(reader, _)| *reader != step.id) {
            let fields = texts.iter().flat_map(|text| outputs(text, &step.id));
            for field in fields.filter(|field| !has(field)) {
                if told.insert(field) {
                    let id = &step.id;
                    errors.push(format!(
                        "steps[{id}].defaultResults[{field}] is required: step {id:?} may be skipped and field \
                         {field:?} is referenced by {reader}"
                    ));
                }
            }
        }
    }
}

fn may_be_skipped(step: &Step) -> bool {
    step.condition.is_some()
        || step.on_error.as_ref().is_some_and(|error| error.action == Some(ErrorAction::Continue))
}

/// Steps and the output, with the templates of each.
fn readers(tool: &CompositeTool) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let steps = tool.steps.iter().map(|step| (step.id.as_str(), templates(step)));
    let values = tool.output.iter().flat_map(|output| output.properties.values());
    steps.chain([("output", values.filter_map(|property| property.value.as_deref()).collect())])
}

fn templates(step: &Step) -> Vec<&str> {
    let mut texts: Vec<&str> = [&step.condition, &step.message, &step.collection]
        .into_iter()
        .filter_map(|text| text.as_deref())
        .collect();
    step.arguments.iter().for_each(|value| gather(value, &mut texts));
    step.step.iter().for_each(|inner| texts.extend(templates(inner)));
    texts
}

fn gather<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| gather(field, texts)),
        _ => {}
    }
}

/// The fields of a step's output that a template names, as in `.steps.ID.output.FIELD`.
fn outputs<'a>(text: &'a str, id: &str) -> Vec<&'a str> {
    let path = format!(".steps.{id}.output.");
    let rests = text.match_indices(&path).map(|(at, _)| &text[at + path.len()..]);
    rests
        .map(|rest| &rest[..rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())])
        .filter(|it| !it.is_empty())
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(is_word)
}

fn is_tool_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

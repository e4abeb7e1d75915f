//! Composite tools: in place, and VirtualMCPCompositeToolDefinition (spec 1.6, 7.1).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{NonEmpty, Raw};
use crate::duration::GoDuration;

/// A tool that runs other tools.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompositeTool {
    /// Unique within the virtual server.
    pub name: NonEmpty,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub parameters: Option<Raw>,
    /// Of all steps together; default 30m.
    pub timeout: Option<GoDuration>,
    /// What it runs, 1 to 100 steps.
    #[schemars(length(min = 1, max = 100))]
    pub steps: Vec<Step>,
    /// How its result is made.
    pub output: Option<ToolOutput>,
    /// Hints.
    pub annotations: Option<ToolAnnotations>,
}

/// One step of a composite tool.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Step {
    /// Unique within the tool; required.
    #[schemars(required, length(min = 1))]
    pub id: String,
    /// Default `tool`.
    #[schemars(extend("default" = "tool"))]
    pub r#type: Option<StepType>,
    /// Which tool: its name in the list of tools, or `WORKLOAD.NAME`.
    #[schemars(regex(pattern = "^[a-zA-Z0-9][a-zA-Z0-9._-]*$"))]
    pub tool: Option<String>,
    /// Its arguments; texts are templates.
    pub arguments: Option<Value>,
    /// Template that decides whether it runs.
    pub condition: Option<String>,
    /// Steps that come before.
    pub depends_on: Vec<String>,
    /// Of this step; default 5m.
    pub timeout: Option<GoDuration>,
    /// What a failure does.
    pub on_error: Option<OnError>,
    /// Output when it did not run.
    pub default_results: Option<Raw>,
    /// Question to the user.
    pub message: Option<String>,
    /// JSON Schema of the answer.
    pub schema: Option<Raw>,
    /// What a refusal does.
    pub on_decline: Option<OnAnswer>,
    /// What a cancellation does.
    pub on_cancel: Option<OnAnswer>,
    /// Template of the list to go through.
    pub collection: Option<String>,
    /// Name of the item; default `item`.
    pub item_var: Option<String>,
    /// How many items at a time; default 10, at most 50.
    pub max_parallel: Option<u32>,
    /// How many items at all; default 100, at most 1000.
    pub max_iterations: Option<u32>,
    /// What is done with each item: one step of type `tool`.
    #[schemars(with = "Raw")]
    pub step: Option<Box<Step>>,
}

/// `steps[].type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepType {
    /// Call a tool.
    Tool,
    /// Ask the user.
    Elicitation,
    /// Go through a list.
    ForEach,
}

/// `steps[].onError`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OnError {
    /// Default `abort`.
    #[schemars(extend("default" = "abort"))]
    pub action: Option<ErrorAction>,
    /// For `retry`: from 1 to 10.
    #[schemars(range(max = 10))]
    pub retry_count: Option<u32>,
    /// For `retry`: before the first; doubles with each; default 1s.
    pub retry_delay: Option<GoDuration>,
}

/// `onError.action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorAction {
    /// The tool fails.
    Abort,
    /// The tool goes on with `defaultResults`.
    Continue,
    /// The step is tried again, then the tool fails.
    Retry,
}

/// `steps[].onDecline` and `steps[].onCancel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OnAnswer {
    /// Default `abort`.
    #[schemars(extend("default" = "abort"))]
    pub action: Option<AnswerAction>,
}

/// `onDecline.action` and `onCancel.action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerAction {
    /// The tool fails.
    Abort,
    /// The tool goes on.
    Continue,
    /// The tool ends with the results it has.
    SkipRemaining,
}

/// `output` of a composite tool.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolOutput {
    /// By name.
    pub properties: BTreeMap<String, OutputProperty>,
    /// Names that must not be missing.
    #[serde(default)]
    pub required: Vec<String>,
}

/// One property of an output.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutputProperty {
    /// Its JSON type.
    pub r#type: JsonType,
    /// For people and models.
    pub description: Option<String>,
    /// Template of the value; or `properties`.
    pub value: Option<String>,
    /// Of an object, by name; each like a property of the output.
    #[serde(default)]
    #[schemars(with = "Raw")]
    pub properties: BTreeMap<String, OutputProperty>,
    /// Value when the template gives none.
    pub default: Option<Value>,
}

/// The types of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JsonType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Fields.
    Object,
    /// A list.
    Array,
}

/// MCP tool annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ToolAnnotations {
    /// Title for people.
    pub title: Option<String>,
    /// Changes nothing.
    pub read_only_hint: Option<bool>,
    /// May destroy.
    pub destructive_hint: Option<bool>,
    /// Doing it twice is doing it once.
    pub idempotent_hint: Option<bool>,
    /// Reaches the outside world.
    pub open_world_hint: Option<bool>,
}

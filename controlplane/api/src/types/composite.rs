//! Composite tools (spec 7.1).

use serde::Deserialize;
use serde_json::Value;

use super::{NonEmpty, Raw};
use crate::duration::GoDuration;

/// A tool that runs other tools.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompositeTool {
    /// Unique within the virtual server.
    pub name: NonEmpty,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub parameters: Option<Raw>,
    /// Default 30m.
    pub timeout: Option<GoDuration>,
    /// What it runs.
    pub steps: Vec<Step>,
    /// How its result is made.
    pub output: Option<Raw>,
    /// Hints.
    pub annotations: Option<ToolAnnotations>,
}

/// One step of a composite tool.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Step {
    /// Unique within the tool.
    pub id: String,
    /// Default `tool`.
    pub r#type: Option<StepType>,
    /// Which tool.
    pub tool: Option<String>,
    /// Its arguments; texts are templates.
    pub arguments: Option<Value>,
    /// Template that decides whether it runs.
    pub condition: Option<String>,
    /// Steps that come before.
    pub depends_on: Vec<String>,
    /// Default 5m.
    pub timeout: Option<GoDuration>,
    /// What a failure does.
    pub on_error: Option<Raw>,
    /// Output when it did not run.
    pub default_results: Option<Raw>,
    /// Question to the user.
    pub message: Option<String>,
    /// JSON Schema of the answer.
    pub schema: Option<Raw>,
    /// What a refusal does.
    pub on_decline: Option<Raw>,
    /// What a cancellation does.
    pub on_cancel: Option<Raw>,
    /// Template of the list to go through.
    pub collection: Option<String>,
    /// Name of the item; default `item`.
    pub item_var: Option<String>,
    /// Default 10.
    pub max_parallel: Option<u32>,
    /// Default 100.
    pub max_iterations: Option<u32>,
    /// What is done with each item.
    pub step: Option<Box<Step>>,
}

/// `steps[].type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepType {
    /// Call a tool.
    Tool,
    /// Ask the user.
    Elicitation,
    /// Go through a list.
    ForEach,
}

/// MCP tool annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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

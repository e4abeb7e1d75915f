//! MCPToolConfig (spec 1.10), and how a tool's definition is replaced.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ToolAnnotations;

/// MCPToolConfig: which tools are shown, and under which names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct McpToolConfigSpec {
    /// Names of the tools that are shown; empty: all.
    pub tools_filter: Vec<String>,
    /// By the backend's name of the tool.
    pub tools_override: BTreeMap<String, ToolOverride>,
}

/// What replaces parts of a tool's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ToolOverride {
    /// Name before conflict resolution.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Hints.
    pub annotations: Option<ToolAnnotations>,
}

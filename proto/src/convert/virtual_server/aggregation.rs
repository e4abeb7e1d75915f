//! How the capabilities of members become one list.

use std::collections::BTreeMap;

use super::super::checks;
use super::super::error::{At, ConvertError, Problem, items, required};
use crate::table::{
    Aggregation, ConflictResolution, ToolAnnotations, ToolOverride, Visibility, WorkloadTools,
};
use crate::wire::{self, aggregation::ConflictResolution as WireResolution};

/// Wire to IR.
pub(super) fn read(a: wire::Aggregation) -> Result<Aggregation, ConvertError> {
    let resolution = required(a.conflict_resolution, "conflict_resolution")?;
    let tools = items("tools", a.tools, workload_tools)?;
    if !checks::sorted(&tools, |t| t.workload.clone()) {
        return Err(Problem::Unsorted("workload")).at("tools");
    }
    Ok(Aggregation {
        conflict_resolution: conflict_resolution(resolution)?,
        tools,
        exclude_all_tools: a.exclude_all_tools,
        default_visibility: visibility(a.default_visibility).at("default_visibility")?,
    })
}

/// IR to wire.
pub(super) fn write(a: &Aggregation) -> wire::Aggregation {
    let resolution = match &a.conflict_resolution {
        ConflictResolution::Prefix { format } => {
            WireResolution::Prefix(wire::Prefix { format: format.clone() })
        }
        ConflictResolution::Priority { order } => {
            WireResolution::Priority(wire::Priority { order: order.clone() })
        }
        ConflictResolution::Manual => WireResolution::Manual(wire::Manual {}),
    };
    wire::Aggregation {
        conflict_resolution: Some(resolution),
        tools: a.tools.iter().map(write_workload_tools).collect(),
        exclude_all_tools: a.exclude_all_tools,
        default_visibility: match a.default_visibility {
            Visibility::Allow => wire::Visibility::Allow.into(),
            Visibility::Deny => wire::Visibility::Deny.into(),
        },
    }
}

fn conflict_resolution(resolution: WireResolution) -> Result<ConflictResolution, ConvertError> {
    match resolution {
        WireResolution::Prefix(p) => {
            let format = checks::free_text(p.format).at("format").at("prefix")?;
            Ok(ConflictResolution::Prefix { format })
        }
        WireResolution::Priority(p) => {
            let order = items("order", p.order, checks::name).at("priority")?;
            Ok(ConflictResolution::Priority { order })
        }
        WireResolution::Manual(wire::Manual {}) => Ok(ConflictResolution::Manual),
    }
}

fn visibility(value: i32) -> Result<Visibility, Problem> {
    match wire::Visibility::try_from(value) {
        Ok(wire::Visibility::Allow) => Ok(Visibility::Allow),
        Ok(wire::Visibility::Deny) => Ok(Visibility::Deny),
        Ok(wire::Visibility::Unspecified) | Err(_) => Err(Problem::UnknownValue(value)),
    }
}

fn workload_tools(t: wire::WorkloadTools) -> Result<WorkloadTools, ConvertError> {
    Ok(WorkloadTools {
        workload: checks::name(t.workload).at("workload")?,
        filter: items("filter", t.filter, checks::name)?,
        overrides: overrides(t.overrides)?,
        exclude_all: t.exclude_all,
    })
}

fn write_workload_tools(t: &WorkloadTools) -> wire::WorkloadTools {
    wire::WorkloadTools {
        workload: t.workload.clone(),
        filter: t.filter.clone(),
        overrides: t.overrides.iter().map(write_override).collect(),
        exclude_all: t.exclude_all,
    }
}

fn overrides(wire: Vec<wire::ToolOverride>) -> Result<BTreeMap<String, ToolOverride>, ConvertError> {
    let mut overrides = BTreeMap::new();
    for (i, o) in wire.into_iter().enumerate() {
        let (tool, value) = tool_override(o).at_item("overrides", i)?;
        if overrides.insert(tool, value).is_some() {
            return Err(Problem::Duplicate).at("tool").at_item("overrides", i);
        }
    }
    Ok(overrides)
}

/// Descriptions may have line breaks: they only ever become JSON strings.
fn tool_override(o: wire::ToolOverride) -> Result<(String, ToolOverride), ConvertError> {
    let tool = checks::name(o.tool).at("tool")?;
    let name = o.name.map(|n| checks::name(n).at("name")).transpose()?;
    let annotations = o.annotations.map(|a| ToolAnnotations {
        title: a.title,
        read_only_hint: a.read_only_hint,
        destructive_hint: a.destructive_hint,
        idempotent_hint: a.idempotent_hint,
        open_world_hint: a.open_world_hint,
    });
    Ok((tool, ToolOverride { name, description: o.description, annotations }))
}

fn write_override((tool, o): (&String, &ToolOverride)) -> wire::ToolOverride {
    let annotations = o.annotations.as_ref().map(|a| wire::ToolAnnotations {
        title: a.title.clone(),
        read_only_hint: a.read_only_hint,
        destructive_hint: a.destructive_hint,
        idempotent_hint: a.idempotent_hint,
        open_world_hint: a.open_world_hint,
    });
    wire::ToolOverride {
        tool: tool.clone(),
        name: o.name.clone(),
        description: o.description.clone(),
        annotations,
    }
}

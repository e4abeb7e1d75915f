//! `spec.config.aggregation`: how the tools of several backends become one list (spec 4.3, 4.4).

use std::collections::BTreeSet;

use tidegate_controlplane_api::types::{
    Aggregation as Spec, ConflictStrategy, ToolOverride as OverrideSpec, ToolVisibility,
    VirtualMcpServerSpec, WorkloadToolConfig,
};
use tidegate_proto::table::{
    Aggregation, ConflictResolution, ToolAnnotations, ToolOverride, Visibility, WorkloadTools,
};

use crate::report::Report;

const DEFAULT_FORMAT: &str = "{workload}_";
const CONFIG: &str = "spec.config.aggregation.conflictResolutionConfig";

pub(super) fn compile(report: &mut Report<'_>, spec: Option<&Spec>) -> Aggregation {
    let default = Spec::default();
    let spec = spec.unwrap_or(&default);
    let default_visibility = match spec.default_tool_visibility {
        Some(ToolVisibility::Deny) => Visibility::Deny,
        Some(ToolVisibility::Allow) | None => Visibility::Allow,
    };
    Aggregation {
        conflict_resolution: conflict_resolution(report, spec, default_visibility),
        tools: tools(report, &spec.tools),
        exclude_all_tools: spec.exclude_all_tools,
        default_visibility,
    }
}

/// The field that makes a workload depend on an MCPToolConfig, if there is one.
pub(super) fn tool_config_field(spec: &VirtualMcpServerSpec, workload: &str) -> Option<String> {
    let tools = &spec.config.as_ref()?.aggregation.as_ref()?.tools;
    let index =
        tools.iter().position(|tools| tools.workload == workload && tools.tool_config_ref.is_some())?;
    Some(format!("spec.config.aggregation.tools[{index}].toolConfigRef"))
}

fn conflict_resolution(
    report: &mut Report<'_>,
    spec: &Spec,
    default_visibility: Visibility,
) -> ConflictResolution {
    let config = spec.conflict_resolution_config.clone().unwrap_or_default();
    let strategy = spec.conflict_resolution.unwrap_or(ConflictStrategy::Prefix);
    if !config.priority_order.is_empty() && strategy != ConflictStrategy::Priority {
        report.no_effect(&format!("{CONFIG}.priorityOrder"), "conflictResolution is not priority");
    }
    if config.prefix_format.is_some() && strategy != ConflictStrategy::Prefix {
        report.no_effect(&format!("{CONFIG}.prefixFormat"), "conflictResolution is not prefix");
    }
    match strategy {
        ConflictStrategy::Prefix => ConflictResolution::Prefix {
            format: config
                .prefix_format
                .filter(|format| !format.is_empty())
                .unwrap_or(DEFAULT_FORMAT.to_owned()),
        },
        ConflictStrategy::Priority => {
            check_order(report, spec, &config.priority_order, default_visibility);
            ConflictResolution::Priority { order: config.priority_order }
        }
        ConflictStrategy::Manual => {
            if spec.tools.iter().all(|tools| tools.overrides.is_empty()) {
                let remedy = "rename contested tools with overrides, or choose prefix";
                let message = "tool overrides are required for manual strategy";
                report.invalid("missing-field", "spec.config.aggregation.tools", message, remedy);
            }
            ConflictResolution::Manual
        }
    }
}

fn check_order(report: &mut Report<'_>, spec: &Spec, order: &[String], default_visibility: Visibility) {
    let field = format!("{CONFIG}.priorityOrder");
    if order.is_empty() {
        let message = "config.aggregation.conflictResolutionConfig.priorityOrder is required when \
                       conflictResolution is priority";
        report.invalid("missing-field", &field, message, "list the backends, the preferred one first");
    }
    let mut seen = BTreeSet::new();
    for (index, name) in order.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if !seen.insert(name) {
            report.warn("repeated", &field, format!("{name} stands here twice"), "remove the second");
        }
        let listed = spec.tools.iter().any(|tools| tools.workload == *name);
        if default_visibility == Visibility::Deny && !listed {
            let message = format!(
                "{name} is in priorityOrder, but defaultToolVisibility: deny hides it: it has no entry in tools"
            );
            let remedy = format!("add an entry for {name} to aggregation.tools, or remove it here");
            report.invalid("hidden-workload", &field, message, remedy);
        }
    }
}

fn tools(report: &mut Report<'_>, specs: &[WorkloadToolConfig]) -> Vec<WorkloadTools> {
    let mut tools: Vec<WorkloadTools> = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let field = format!("spec.config.aggregation.tools[{index}]");
        if spec.workload.is_empty() {
            let message = format!("config.aggregation.tools[{index}].workload is required");
            let remedy = "write the name of a backend of the group";
            report.invalid("missing-field", &format!("{field}.workload"), message, remedy);
            continue;
        }
        if tools.iter().any(|other| other.workload == spec.workload) {
            let message = format!("duplicate workload configuration: {}", spec.workload);
            report.invalid(
                "duplicate-workload",
                &format!("{field}.workload"),
                message,
                "merge the two entries",
            );
            continue;
        }
        tools.push(WorkloadTools {
            workload: spec.workload.clone(),
            filter: spec.filter.clone(),
            overrides: spec
                .overrides
                .iter()
                .map(|(tool, spec)| (tool.clone(), tool_override(report, &field, tool, spec)))
                .collect(),
            exclude_all: spec.exclude_all,
        });
    }
    tools.sort_by(|a, b| a.workload.cmp(&b.workload));
    tools
}

fn tool_override(report: &mut Report<'_>, field: &str, tool: &str, spec: &OverrideSpec) -> ToolOverride {
    let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let annotations = spec.annotations.as_ref().map(|annotations| ToolAnnotations {
        title: annotations.title.clone(),
        read_only_hint: annotations.read_only_hint,
        destructive_hint: annotations.destructive_hint,
        idempotent_hint: annotations.idempotent_hint,
        open_world_hint: annotations.open_world_hint,
    });
    let (name, description) = (written(&spec.name), written(&spec.description));
    if name.is_none() && description.is_none() && annotations.is_none() {
        let remedy = "give it a name, a description or annotations, or remove it";
        report.warn("empty-override", &format!("{field}.overrides[{tool}]"), "changes nothing", remedy);
    }
    ToolOverride { name, description, annotations }
}

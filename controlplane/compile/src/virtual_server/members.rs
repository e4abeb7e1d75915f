//! The backends of a virtual server: who is in its group, and who of them may be used (spec 4.1, 6.6).

use std::collections::BTreeSet;

use tidegate_controlplane_api::types::{
    BackendAuthConfig, BackendAuthType, Config, OutgoingAuth, VirtualMcpServerSpec,
};
use tidegate_proto::table::{Backend, BackendId, Member};

use super::operational::Policies;
use super::roster::Roster;
use crate::backend::Fact;
use crate::compiled::{Condition, Discovered, Hold, Withheld};
use crate::report::Report;

/// The members of one virtual server and what is to be said about them.
#[derive(Default)]
pub(super) struct Members {
    /// Served, sorted by workload.
    pub(super) members: Vec<Member>,
    /// Members when their backend's previous value is kept.
    pub(super) candidates: Vec<Member>,
    /// Not to be used by this virtual server.
    pub(super) barred: BTreeSet<BackendId>,
    /// Backends of inline mode: served or withheld.
    pub(super) inline: Vec<Result<Backend, (BackendId, Withheld)>>,
    pub(super) discovered: Vec<Discovered>,
    pub(super) conditions: Vec<Condition>,
    /// Every name that settings may refer to.
    pub(super) names: BTreeSet<String>,
    /// Names of headers that a member adds itself, with the member.
    pub(super) added_headers: BTreeSet<(String, String)>,
}

/// Why a virtual server must not use a backend.
struct Bar {
    condition: String,
    field: String,
}

/// The members of a group (runtime discovery).
pub(super) fn discovered(
    report: &mut Report<'_>,
    spec: &VirtualMcpServerSpec,
    roster: &Roster,
    policies: &Policies,
) -> Members {
    let mut found = Members::default();
    for fact in &roster.members {
        let name = fact.name.to_string();
        found.names.insert(name.clone());
        let member = policies.member(fact.id.clone(), &name);
        match (bar(spec, &name, fact), &fact.withheld) {
            (Some(bar), _) => found.bar(report, bar, &name, fact.id.clone()),
            (None, None) => found.serve(member, fact),
            (None, Some(withheld)) if withheld.hold == Hold::KeepPrevious => found.candidates.push(member),
            (None, Some(withheld)) if fact.needs_credential => found.conditions.push(Condition::of(
                format!("DiscoveredAuthConfig-{name}"),
                false,
                "ConversionFailed",
                withheld.reason.as_str(),
            )),
            (None, Some(_)) => {}
        }
    }
    let message = format!("{} of {} members of the group are served", found.members.len(), found.names.len());
    found.conditions.insert(0, Condition::of("BackendsDiscovered", true, "BackendsDiscovered", message));
    found
}

/// A credential or a tool configuration that this virtual server wants for a backend. Explicit settings win over
/// the backend's own, those over the default (spec 4.1); without credentials, a backend that should get one is
/// left out, never called without.
fn bar(spec: &VirtualMcpServerSpec, name: &str, fact: &Fact) -> Option<Bar> {
    super::aggregation::tool_config_field(spec, name)
        .map(|field| Bar { condition: format!("ToolConfig-{name}"), field })
        .or_else(|| auth_bar(spec.outgoing_auth.as_ref()?, name, fact.needs_credential))
}

fn auth_bar(auth: &OutgoingAuth, name: &str, has_own: bool) -> Option<Bar> {
    if auth.backends.get(name).is_some_and(wants_credential) {
        let field = format!("spec.outgoingAuth.backends[{name}]");
        return Some(Bar { condition: format!("BackendAuthConfig-{name}"), field });
    }
    let by_default = auth.default.as_ref().is_some_and(wants_credential) && !has_own;
    by_default.then(|| Bar {
        condition: format!("DiscoveredAuthConfig-{name}"),
        field: "spec.outgoingAuth.default".to_owned(),
    })
}

fn wants_credential(auth: &BackendAuthConfig) -> bool {
    auth.r#type == Some(BackendAuthType::ExternalAuthConfigRef) || auth.external_auth_config_ref.is_some()
}

/// The bar that inline mode knows: nothing is discovered there.
pub(super) fn bar_inline(
    found: &mut Members,
    report: &mut Report<'_>,
    spec: &VirtualMcpServerSpec,
    name: &str,
    id: &BackendId,
) -> bool {
    let bar = super::aggregation::tool_config_field(spec, name)
        .map(|field| Bar { condition: format!("ToolConfig-{name}"), field })
        .or_else(|| auth_bar(spec.outgoing_auth.as_ref()?, name, false));
    match bar {
        None => false,
        Some(bar) => {
            found.bar(report, bar, name, id.clone());
            true
        }
    }
}

impl Members {
    fn serve(&mut self, member: Member, fact: &Fact) {
        let name = member.workload.clone();
        self.added_headers.extend(fact.headers.iter().map(|header| (header.clone(), name.clone())));
        self.discovered.push(Discovered {
            name,
            backend: member.backend.clone(),
            url: fact.url.clone(),
            auth_type: "unauthenticated",
        });
        self.members.push(member);
    }

    fn bar(&mut self, report: &mut Report<'_>, bar: Bar, name: &str, id: BackendId) {
        let Bar { condition, field } = bar;
        let (code, what) = if condition.starts_with("ToolConfig") {
            ("tool-config-not-served", "an MCPToolConfig, which may hide tools")
        } else {
            ("credential-not-served", "a credential towards the backend")
        };
        let message =
            format!("{what}: not served yet; the backend {name} is left out of this virtual server");
        self.conditions.push(Condition::of(condition, false, "ConversionFailed", message.as_str()));
        report.error(code, &field, message, "remove it if the backend may be used without it");
        self.barred.insert(id);
    }

    /// Settings for names that no backend has are mistakes of writing, or of time.
    pub(super) fn check_names(&self, report: &mut Report<'_>, config: &Config) {
        if self.names.is_empty() && report.withheld().is_some() {
            return;
        }
        let mut check = |name: &str, field: String| {
            if !name.is_empty() && !self.names.contains(name) {
                let message = format!("no backend of this virtual server is called {name:?}");
                let known: Vec<_> = self.names.iter().map(String::as_str).take(20).collect();
                let remedy = match known.as_slice() {
                    [] => "remove it: the group is empty".to_owned(),
                    known => format!("correct the name, or remove it; there are {}", known.join(", ")),
                };
                report.warn("unknown-workload", &field, message, remedy);
            }
        };
        let timeouts = config.operational.as_ref().and_then(|operational| operational.timeouts.as_ref());
        for name in timeouts.into_iter().flat_map(|timeouts| timeouts.per_workload.keys()) {
            check(name, format!("spec.config.operational.timeouts.perWorkload[{name}]"));
        }
        let Some(aggregation) = &config.aggregation else { return };
        for (index, tools) in aggregation.tools.iter().enumerate() {
            check(&tools.workload, format!("spec.config.aggregation.tools[{index}].workload"));
        }
        let order = aggregation.conflict_resolution_config.iter().flat_map(|config| &config.priority_order);
        for (index, name) in order.enumerate() {
            check(name, format!("spec.config.aggregation.conflictResolutionConfig.priorityOrder[{index}]"));
        }
    }

    /// A header that is passed through must not be one that a backend's own settings add.
    pub(super) fn check_headers(&self, report: &mut Report<'_>, passed: &[String]) {
        for (index, name) in passed.iter().enumerate() {
            let lower = name.to_ascii_lowercase();
            let workloads: Vec<_> = self
                .added_headers
                .iter()
                .filter(|(header, _)| *header == lower)
                .map(|(_, w)| w.as_str())
                .collect();
            if !workloads.is_empty() {
                let message = format!(
                    "forwarded header {name:?} collides with the backend's static header-forward config"
                );
                let remedy = format!("remove it here, or from headerForward of {}", workloads.join(", "));
                report.invalid(
                    "header-collision",
                    &format!("spec.passthroughHeaders[{index}]"),
                    message,
                    remedy,
                );
            }
        }
    }
}

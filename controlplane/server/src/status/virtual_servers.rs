//! Status of VirtualMCPServers (spec 1.5.5, 2.6.5): one writer, one machine.

use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_compile::{self as compile, ObjectStatus};
use tidegate_proto::table::{EntryKey, Member as TableMember, VirtualServer, VirtualServerId};

use super::facts::{Facts, url};
use super::member::{Member, Standing};
use super::phase::{Judgement, Phase, Situation, judge};
use super::reported::Served;
use super::{DiscoveredBackend, INTERVAL, Serving, Status};

/// Conditions of compile that say why a virtual server is refused, the first in order of work (spec 2.6.1).
const GATES: [&str; 4] = ["PodTemplateSpecValid", "GroupRefValidated", "AuthConfigured", "Valid"];

pub(super) fn status(facts: &Facts<'_>, object: &ObjectRef, compiled: &ObjectStatus) -> Status {
    let id = VirtualServerId::new(&object.namespace, &object.name);
    let published = facts.virtual_server(&id);
    let served = facts.reported.of_virtual_server(&id.to_string());
    let folded = published.map(|server| members(facts, server, served.as_ref())).unwrap_or_default();
    let situation = Situation {
        published: published.is_some(),
        // Between an edit and its verdicts no node is current; those that served it before still do.
        served: facts.any_current || served.is_some(),
        members: folded.iter().map(|(_, member)| member.standing).collect(),
        ..gates(facts, &id, compiled)
    };
    let judgement = judge(&situation);
    let mut status = Status {
        phase: judgement.phase.as_str(),
        message: judgement.message.clone(),
        serving: Some(serving(facts, compiled, &folded)),
        interval: published.map_or(INTERVAL, |server| server.status_interval),
        ..Status::of(compiled)
    };
    if published.is_some() && status.condition("BackendsDiscovered").is_none() {
        let message = format!("{} backends are listed in spec.config.backends", folded.len());
        status.set("BackendsDiscovered", true, "BackendsDiscovered", message);
    }
    conclude(&mut status, judgement);
    status
}

/// The conditions that follow from the phase.
fn conclude(status: &mut Status, judgement: Judgement) {
    let Judgement { phase, message, reason, ready } = judgement;
    let gate = || {
        let refusing = GATES.iter().filter_map(|gate| status.condition(gate)).find(|gate| !gate.holds);
        refusing.map_or("ValidationFailed", |gate| gate.reason)
    };
    let reason = reason.unwrap_or_else(gate);
    status.set("Ready", phase == Phase::Ready, reason, ready.unwrap_or_else(|| message.clone()));
    // Present only while it holds (spec 2.6.6).
    if phase == Phase::Degraded {
        status.set("Degraded", true, "BackendsDegraded", message);
    }
}

/// What compile has against it.
fn gates<'a>(facts: &Facts<'a>, id: &VirtualServerId, compiled: &'a ObjectStatus) -> Situation<'a> {
    let reason = compiled.message.as_str();
    let withheld = facts.withheld(&EntryKey::VirtualServer(id.clone()));
    Situation {
        refused: (compiled.phase == compile::Phase::Failed).then_some(reason).or_else(|| {
            withheld.map(|w| w.reason.as_str()).filter(|_| compiled.phase != compile::Phase::Pending)
        }),
        waiting: (compiled.phase == compile::Phase::Pending).then_some(reason),
        ..Situation::default()
    }
}

fn members<'a>(
    facts: &Facts<'_>,
    server: &'a VirtualServer,
    served: Option<&Served<'_>>,
) -> Vec<(&'a TableMember, Member)> {
    let fold = |member: &'a TableMember| {
        let seen = served.map(|served| served.member(&member.workload)).unwrap_or_default();
        let unprobed = !server.health.probe_remote && facts.is_remote(&member.backend);
        (member, Member::fold(seen, unprobed))
    };
    server.members.iter().map(fold).collect()
}

fn serving(facts: &Facts<'_>, compiled: &ObjectStatus, folded: &[(&TableMember, Member)]) -> Serving {
    let counts =
        |standing| matches!(standing, Standing::Ready | Standing::Unauthenticated | Standing::Unprobed);
    Serving {
        backend_count: folded.iter().filter(|(_, member)| counts(member.standing)).count(),
        backends: folded.iter().map(|(member, fold)| discovered(facts, compiled, member, fold)).collect(),
    }
}

fn discovered(
    facts: &Facts<'_>,
    compiled: &ObjectStatus,
    member: &TableMember,
    fold: &Member,
) -> DiscoveredBackend {
    let known = compiled.discovered.iter().find(|found| found.name == member.workload);
    let reported = facts.reported.of_backend(member.backend.as_str());
    DiscoveredBackend {
        name: member.workload.clone(),
        url: facts.backend(&member.backend).map(url).unwrap_or_default(),
        status: fold.standing.word(),
        // Backends that need a credential are withheld until there are some to attach.
        auth_config_ref: None,
        auth_type: known.map_or("unauthenticated", |found| found.auth_type),
        message: fold.message.clone(),
        checked_unix_ms: fold.checked_unix_ms,
        breaker: fold.breaker,
        breaker_changed_unix_ms: fold.breaker_changed_unix_ms,
        consecutive_failures: fold.consecutive_failures,
        mcp_revision: reported.map(|state| state.protocol_version.clone()).unwrap_or_default(),
    }
}

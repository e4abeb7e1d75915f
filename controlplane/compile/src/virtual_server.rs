//! VirtualMCPServers (spec 1.5, 2.6.1): validated in the order in which ToolHive does it, all findings reported.

mod aggregation;
mod auth;
mod extras;
mod inline;
mod listen;
mod members;
mod operational;
mod pod;
mod service;
mod tuning;

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use tidegate_controlplane_api::types::{Config, VirtualMcpServerSpec};
use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef};
use tidegate_proto::table::{Aggregation, Entry, EntryKey, IncomingAuth, VirtualServer, VirtualServerId};

use crate::annotation;
use crate::backend::{Backends, headers};
use crate::compiled::{Condition, ObjectStatus, Phase, Withheld};
use crate::draft::Draft;
use crate::front::{Fronts, PORTS};
use crate::group::{self, Group, Groups};
use crate::report::Report;
use crate::view::ClusterView;

use listen::Claims;
use members::Members;
use operational::Policies;
pub(crate) use operational::{CALL_TIMEOUT, STATUS_INTERVAL, default_health};

pub(crate) fn compile_all(
    view: &ClusterView,
    fronts: Option<&Fronts>,
    groups: &Groups,
    backends: &Backends<'_>,
    draft: &mut Draft,
) {
    let mut claims = Claims::default();
    for document in view.of_kind(Kind::VirtualMcpServer) {
        if let Object::VirtualServer(object) = &document.object {
            compile(Sources { document, spec: &object.spec, fronts, groups, backends }, &mut claims, draft);
        }
    }
}

/// What one virtual server is compiled from.
struct Sources<'a> {
    document: &'a Document,
    spec: &'a VirtualMcpServerSpec,
    /// None outside a cluster.
    fronts: Option<&'a Fronts>,
    groups: &'a Groups,
    backends: &'a Backends<'a>,
}

/// One virtual server's way through compiling.
struct Outcome<'a> {
    group: &'a str,
    settings: Settings,
    members: Members,
    conditions: Vec<Condition>,
    withheld: Option<Withheld>,
    /// Only its group is in the way, which is on its way itself.
    waiting: bool,
}

/// What follows from the spec alone.
struct Settings {
    policies: Policies,
    aggregation: Aggregation,
    passthrough_headers: Vec<String>,
    listen: Vec<SocketAddr>,
}

fn compile(sources: Sources<'_>, claims: &mut Claims, draft: &mut Draft) {
    let Sources { document, spec, fronts, groups, backends } = sources;
    let empty = Config::default();
    let config = spec.config.as_ref().unwrap_or(&empty);
    let mut report = Report::new(document, &mut draft.diagnostics);
    let mut conditions = Vec::new();

    let group_name = group_name(&mut report, spec, config);
    let reserved = fronts.map(|_| PORTS);
    let mut settings = settings(&mut report, spec, config, claims, reserved);
    conditions.push(valid(&report));
    settings.policies.health.probe_remote = pod::probe_remote(&mut report, spec, &mut conditions);
    let mistaken = report.withheld().is_some();
    let group = group_name.and_then(|name| find_group(&mut report, groups, name, &mut conditions));
    let waiting = !mistaken && group.is_some_and(|group| group.deleting);
    auth::incoming(&mut report, spec, &mut conditions);
    extras::report(&mut report, spec, config, fronts.is_some(), &mut conditions);
    let mut members = match (config.backends.is_empty(), group) {
        (false, _) => {
            let id = virtual_server_id(&document.object_ref);
            inline::members(&mut report, &id, spec, config, &settings.policies)
        }
        (true, Some(group)) => members::discovered(&mut report, spec, group, backends, &settings.policies),
        (true, None) => Members::default(),
    };
    members.check_names(&mut report, config);
    members.check_headers(&mut report, &spec.passthrough_headers);
    conditions.append(&mut members.conditions);

    let (group, withheld) = (group_name.unwrap_or_default(), report.withheld().cloned());
    if let Some(fronts) = fronts {
        let exposure = service::expose(fronts, document, spec, withheld.as_ref(), draft);
        let (condition, listen) = exposure.unzip();
        conditions.extend(condition);
        settings.listen.extend(listen.flatten());
    }
    settle(document, Outcome { group, settings, members, conditions, withheld, waiting }, draft);
}

/// Static validation, with all that needs no other object.
fn settings(
    report: &mut Report<'_>,
    spec: &VirtualMcpServerSpec,
    config: &Config,
    claims: &mut Claims,
    reserved: Option<RangeInclusive<u16>>,
) -> Settings {
    annotation::check_known(report);
    auth::check_outgoing(report, spec.outgoing_auth.as_ref());
    extras::validate(report, spec, config);
    Settings {
        policies: operational::compile(report, config.operational.as_ref()),
        aggregation: aggregation::compile(report, config.aggregation.as_ref()),
        passthrough_headers: headers::passed_through(report, &spec.passthrough_headers),
        listen: listen::compile(report, claims, reserved),
    }
}

/// Puts a virtual server and its inline backends into the table or among the withheld, and writes its status.
fn settle(document: &Document, outcome: Outcome<'_>, draft: &mut Draft) {
    let Outcome { group, settings, members, conditions, withheld, waiting } = outcome;
    let object = &document.object_ref;
    let id = virtual_server_id(object);
    let mut status = ObjectStatus { conditions, url: Some(service_url(object)), ..ObjectStatus::default() };
    draft.compiled.barred.insert(id.clone(), members.barred);
    if let Some(withheld) = withheld {
        status.phase = if waiting { Phase::Pending } else { Phase::Failed };
        status.message.clone_from(&withheld.reason);
        draft.withhold(object, withheld.hold, &withheld.reason);
        draft.status.insert(object.clone(), status);
        return;
    }
    status.phase = Phase::FromHealth;
    status.discovered = members.discovered;
    draft.status.insert(object.clone(), status);
    for backend in members.inline {
        match backend {
            Ok(backend) => drop(draft.compiled.table.insert(Entry::Backend(backend))),
            Err((id, withheld)) => {
                draft.withhold_key(EntryKey::Backend(id), withheld.hold, &withheld.reason);
            }
        }
    }
    draft.compiled.candidates.insert(id.clone(), members.candidates);
    let Settings { policies, aggregation, passthrough_headers, listen } = settings;
    draft.compiled.table.insert(Entry::VirtualServer(VirtualServer {
        id,
        server_name: object.name.to_string(),
        group: group.to_owned(),
        listen,
        members: members.members,
        aggregation,
        health: policies.health,
        breaker: policies.breaker,
        partial_failure: policies.partial_failure,
        incoming_auth: IncomingAuth::Anonymous,
        passthrough_headers,
        status_interval: policies.status_interval,
        timeouts: policies.timeouts,
        retry_idempotent: policies.retry_idempotent,
        request_log: policies.request_log,
    }));
}

fn virtual_server_id(object: &ObjectRef) -> VirtualServerId {
    VirtualServerId::new(&object.namespace, &object.name)
}

fn valid(report: &Report<'_>) -> Condition {
    match report.withheld() {
        None => Condition::of("Valid", true, "ValidationSucceeded", "the spec is valid"),
        Some(withheld) => Condition::of("Valid", false, "ValidationFailed", withheld.reason.as_str()),
    }
}

/// `spec.groupRef.name`, or what stood for it before v0.20.
fn group_name<'a>(
    report: &mut Report<'_>,
    spec: &'a VirtualMcpServerSpec,
    config: &'a Config,
) -> Option<&'a str> {
    let old = config.group_ref.as_deref().filter(|name| !name.is_empty());
    match (spec.group_ref.as_ref().map(|group| group.name.as_str()), old) {
        (Some(name), Some(old)) if old != name => {
            let message = format!("spec.groupRef.name ({name}) is used, not this");
            report.warn("group-twice", "spec.config.groupRef", message, "remove spec.config.groupRef");
            Some(name)
        }
        (Some(name), _) | (None, Some(name)) => Some(name),
        (None, None) => {
            let remedy = "add groupRef: {name: GROUP} with an MCPGroup of the same namespace";
            report.invalid("missing-field", "spec.groupRef.name", "spec.groupRef.name is required", remedy);
            None
        }
    }
}

fn find_group<'a>(
    report: &mut Report<'_>,
    groups: &'a Groups,
    name: &str,
    conditions: &mut Vec<Condition>,
) -> Option<&'a Group> {
    let object = &report.document.object_ref;
    let found = group::find(groups, object, name);
    if found.is_some_and(|group| group.deleting) {
        let message = format!("Referenced MCPGroup {name} is not ready (phase: {})", Phase::Pending.as_str());
        conditions.push(Condition::of("GroupRefValidated", false, "GroupRefNotReady", message.as_str()));
        let remedy = "wait until it is deleted, and create it again, or name another group";
        report.invalid("group-not-ready", "spec.groupRef.name", message, remedy);
        return found;
    }
    if found.is_some() {
        let message = format!("MCPGroup {name} is ready");
        conditions.push(Condition::of("GroupRefValidated", true, "GroupRefValid", message));
        return found;
    }
    let message = format!("Referenced MCPGroup {name} not found");
    conditions.push(Condition::of("GroupRefValidated", false, "GroupRefNotFound", message.as_str()));
    let remedy =
        format!("create an MCPGroup {name} in the namespace {}, or correct the name", object.namespace);
    report.invalid("group-not-found", "spec.groupRef.name", message, remedy);
    None
}

/// The Service's address, without a path: users' scripts append `/mcp` (decision 7).
fn service_url(object: &ObjectRef) -> String {
    format!("http://vmcp-{}.{}.svc.cluster.local:{}", object.name, object.namespace, service::PORT)
}

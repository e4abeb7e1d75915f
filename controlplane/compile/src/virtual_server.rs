//! VirtualMCPServers (spec 1.5, 2.6.1): validated in the order in which ToolHive does it, all findings reported.

mod aggregation;
mod auth;
mod extras;
mod inline;
pub(crate) mod listen;
mod members;
mod operational;
mod pod;
pub(crate) mod roster;
mod service;
mod tuning;

use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_controlplane_api::types::{Config, VirtualMcpServerSpec};
use tidegate_controlplane_api::{Document, Object, ObjectRef};
use tidegate_proto::table::{Aggregation, Entry, EntryKey, IncomingAuth, VirtualServer};

use crate::annotation;
use crate::backend::headers;
use crate::compiled::{Condition, ObjectStatus, Phase, Withheld};
use crate::front::Exposure;
use crate::memo::Same;
use crate::piece::{Piece, virtual_server_id};
use crate::relations::Relations;
use crate::report::Report;
use crate::shared::References;

use listen::Claim;
use members::Members;
use operational::Policies;
pub(crate) use operational::{CALL_TIMEOUT, STATUS_INTERVAL, default_health};
use roster::{Roster, Rosters};

/// All that a virtual server is compiled from.
#[derive(Debug, PartialEq)]
pub(crate) struct Inputs {
    document: Same<Document>,
    /// The group that it names, if it exists.
    roster: Option<Arc<Roster>>,
    /// Addresses of its own.
    listen: Vec<Claim>,
    /// None outside a cluster.
    place: Option<Place>,
}

/// The cluster, as one virtual server sees it.
#[derive(Debug, PartialEq)]
struct Place {
    /// None: it has no front.
    exposure: Option<Exposure>,
    references: References,
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

impl Inputs {
    /// All that a virtual server is compiled from.
    pub(crate) fn of(document: &Arc<Document>, relations: &Relations, rosters: &Rosters) -> Self {
        let object = &document.object_ref;
        let place = relations
            .fronts
            .as_ref()
            .map(|fronts| Place { exposure: fronts.of(object), references: relations.references(document) });
        Self {
            document: Same(Arc::clone(document)),
            roster: roster_of(document, rosters).cloned(),
            listen: relations.claims.get(object).cloned().unwrap_or_default(),
            place,
        }
    }

    /// Whether its group's roster is the one among these.
    pub(crate) fn has_roster_of(&self, rosters: &Rosters) -> bool {
        self.roster.as_ref().map(Arc::as_ptr) == roster_of(&self.document, rosters).map(Arc::as_ptr)
    }

    /// Puts a virtual server and its inline backends into the table or among the withheld, with its status and its children.
    pub(crate) fn compile(&self) -> Piece {
        let mut piece = Piece::default();
        if let Object::VirtualServer(object) = &self.document.object {
            self.compile_spec(&object.spec, &mut piece);
        }
        if let Some(place) = &self.place {
            place.references.report(&self.document, &mut piece);
        }
        piece.observe(&self.document);
        piece
    }

    fn compile_spec(&self, spec: &VirtualMcpServerSpec, piece: &mut Piece) {
        let (document, in_cluster) = (&*self.document, self.place.is_some());
        let empty = Config::default();
        let config = spec.config.as_ref().unwrap_or(&empty);
        let mut report = Report::new(document, &mut piece.diagnostics);
        let mut conditions = Vec::new();

        let group_name = group_name(&mut report, spec, config);
        let mut settings = self.settings(&mut report, spec, config);
        conditions.push(valid(&report));
        settings.policies.health.probe_remote = pod::probe_remote(&mut report, spec, &mut conditions);
        let mistaken = report.withheld().is_some();
        if let Some(name) = group_name {
            self.check_group(&mut report, name, &mut conditions);
        }
        let waiting = !mistaken && self.roster.as_ref().is_some_and(|roster| roster.deleting);
        auth::incoming(&mut report, spec, &mut conditions);
        extras::report(&mut report, spec, config, in_cluster, &mut conditions);
        let mut members = match (config.backends.is_empty(), &self.roster) {
            (false, _) => {
                let id = virtual_server_id(&document.object_ref);
                inline::members(&mut report, &id, spec, config, &settings.policies)
            }
            (true, Some(roster)) => members::discovered(&mut report, spec, roster, &settings.policies),
            (true, None) => Members::default(),
        };
        members.check_names(&mut report, config);
        members.check_headers(&mut report, &spec.passthrough_headers);
        conditions.append(&mut members.conditions);

        let (group, withheld) = (group_name.unwrap_or_default(), report.withheld().cloned());
        if let Some(exposure) = self.place.as_ref().and_then(|place| place.exposure.as_ref()) {
            conditions.push(service::expose(exposure, document, spec, withheld.as_ref(), piece));
            settings.listen.extend(exposure.listen());
        }
        settle(document, Outcome { group, settings, members, conditions, withheld, waiting }, piece);
    }

    /// Static validation, with all that needs no other object.
    fn settings(&self, report: &mut Report<'_>, spec: &VirtualMcpServerSpec, config: &Config) -> Settings {
        annotation::check_known(report);
        auth::check_outgoing(report, spec.outgoing_auth.as_ref());
        extras::validate(report, spec, config);
        Settings {
            policies: operational::compile(report, config.operational.as_ref()),
            aggregation: aggregation::compile(report, config.aggregation.as_ref()),
            passthrough_headers: headers::passed_through(report, &spec.passthrough_headers),
            listen: listen::compile(report, &self.listen),
        }
    }

    fn check_group(&self, report: &mut Report<'_>, name: &str, conditions: &mut Vec<Condition>) {
        let of = |holds, reason, message: &str| Condition::of("GroupRefValidated", holds, reason, message);
        match &self.roster {
            Some(roster) if roster.deleting => {
                let phase = Phase::Pending.as_str();
                let message = format!("Referenced MCPGroup {name} is not ready (phase: {phase})");
                conditions.push(of(false, "GroupRefNotReady", &message));
                let remedy = "wait until it is deleted, and create it again, or name another group";
                report.invalid("group-not-ready", "spec.groupRef.name", message, remedy);
            }
            Some(_) => conditions.push(of(true, "GroupRefValid", &format!("MCPGroup {name} is ready"))),
            None => {
                let message = format!("Referenced MCPGroup {name} not found");
                conditions.push(of(false, "GroupRefNotFound", &message));
                let namespace = &self.document.object_ref.namespace;
                let remedy =
                    format!("create an MCPGroup {name} in the namespace {namespace}, or correct the name");
                report.invalid("group-not-found", "spec.groupRef.name", message, remedy);
            }
        }
    }
}

fn settle(document: &Document, outcome: Outcome<'_>, piece: &mut Piece) {
    let Outcome { group, settings, members, conditions, withheld, waiting } = outcome;
    let object = &document.object_ref;
    let id = virtual_server_id(object);
    let mut status = ObjectStatus { conditions, url: Some(service_url(object)), ..ObjectStatus::default() };
    piece.barred = members.barred;
    if let Some(withheld) = withheld {
        status.phase = if waiting { Phase::Pending } else { Phase::Failed };
        status.message.clone_from(&withheld.reason);
        piece.withhold(object, withheld.hold, &withheld.reason);
        return piece.set_status(status);
    }
    status.phase = Phase::FromHealth;
    status.discovered = members.discovered;
    piece.set_status(status);
    for backend in members.inline {
        match backend {
            Ok(backend) => piece.serve(Entry::Backend(backend)),
            Err((id, withheld)) => {
                piece.withhold_key(EntryKey::Backend(id), withheld.hold, &withheld.reason);
            }
        }
    }
    piece.candidates = members.candidates;
    let Settings { policies, aggregation, passthrough_headers, listen } = settings;
    piece.serve(Entry::VirtualServer(VirtualServer {
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

fn valid(report: &Report<'_>) -> Condition {
    match report.withheld() {
        None => Condition::of("Valid", true, "ValidationSucceeded", "the spec is valid"),
        Some(withheld) => Condition::of("Valid", false, "ValidationFailed", withheld.reason.as_str()),
    }
}

/// That of the group that it names.
fn roster_of<'a>(document: &Document, rosters: &'a Rosters) -> Option<&'a Arc<Roster>> {
    let Object::VirtualServer(server) = &document.object else { return None };
    let group = named_group(&server.spec, server.spec.config.as_ref())?;
    rosters.get(&document.object_ref.namespace, group)
}

/// `spec.groupRef.name`, or what stood for it before v0.20.
fn named_group<'a>(spec: &'a VirtualMcpServerSpec, config: Option<&'a Config>) -> Option<&'a str> {
    let old = || config?.group_ref.as_deref().filter(|name| !name.is_empty());
    spec.group_ref.as_ref().map(|group| group.name.as_str()).or_else(old)
}

fn group_name<'a>(
    report: &mut Report<'_>,
    spec: &'a VirtualMcpServerSpec,
    config: &'a Config,
) -> Option<&'a str> {
    let name = named_group(spec, Some(config));
    match (name, config.group_ref.as_deref()) {
        (None, _) => {
            let remedy = "add groupRef: {name: GROUP} with an MCPGroup of the same namespace";
            report.invalid("missing-field", "spec.groupRef.name", "spec.groupRef.name is required", remedy);
        }
        (Some(name), Some(old)) if !old.is_empty() && old != name => {
            let message = format!("spec.groupRef.name ({name}) is used, not this");
            report.warn("group-twice", "spec.config.groupRef", message, "remove spec.config.groupRef");
        }
        _ => {}
    }
    name
}

/// The Service's address, without a path: users' scripts append `/mcp` (decision 7).
fn service_url(object: &ObjectRef) -> String {
    format!("http://vmcp-{}.{}.svc.cluster.local:{}", object.name, object.namespace, service::PORT)
}

//! MCPServer, MCPRemoteProxy and MCPServerEntry as backends of the table (spec 1.2 to 1.4).

pub(crate) mod address;
pub(crate) mod egress;
pub(crate) mod headers;
mod limits;
mod remote;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef};
use tidegate_proto::table::{
    Backend, BackendId, Egress, Entry, Header, Limits, Locality, OutgoingAuth, Transport,
};

use crate::annotation;
use crate::compiled::{Command, Condition, Hold, ObjectStatus, Phase, Withheld};
use crate::draft::{Draft, backend_id};
use crate::group::{self, Groups};
use crate::report::Report;
use crate::view::ClusterView;

use address::Address;

/// What virtual servers need to know of each backend resource.
pub(crate) type Backends<'a> = BTreeMap<&'a ObjectRef, Fact>;

pub(crate) struct Fact {
    pub(crate) id: BackendId,
    pub(crate) url: String,
    /// Names of the headers that it adds, lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) withheld: Option<Withheld>,
    /// It needs a credential that cannot be attached.
    pub(crate) needs_credential: bool,
}

/// What the kinds have in common once they are understood.
pub(crate) struct Parts {
    pub(crate) address: Address,
    pub(crate) transport: Transport,
    pub(crate) locality: Locality,
    pub(crate) headers: Vec<Header>,
    pub(crate) egress: Egress,
    pub(crate) limits: Limits,
}

/// One backend's way through compiling.
struct Outcome {
    parts: Option<Parts>,
    command: Option<Command>,
    withheld: Option<Withheld>,
    needs_credential: bool,
    conditions: Vec<Condition>,
}

pub(crate) fn compile_all<'a>(view: &'a ClusterView, groups: &Groups, draft: &mut Draft) -> Backends<'a> {
    let rivals = rivals(view);
    let mut facts = Backends::new();
    for document in Kind::BACKENDS.into_iter().flat_map(|kind| view.of_kind(kind)) {
        let object = &document.object_ref;
        let outcome = compile(document, groups, rivals.get(&name_of(object)), draft);
        facts.insert(object, settle(document, outcome, draft));
    }
    facts
}

type Name = (Arc<str>, Arc<str>);

fn name_of(object: &ObjectRef) -> Name {
    (Arc::clone(&object.namespace), Arc::clone(&object.name))
}

/// Backends of different kinds with the same name: it must be unique per namespace over the kinds, as it names
/// the backend in `perWorkload` and in prefixes (decision 11).
fn rivals(view: &ClusterView) -> BTreeMap<Name, BTreeSet<&ObjectRef>> {
    let mut names: BTreeMap<Name, BTreeSet<&ObjectRef>> = BTreeMap::new();
    for object in view.names().filter(|object| object.kind.is_backend()) {
        names.entry(name_of(object)).or_default().insert(object);
    }
    names.retain(|_, objects| objects.len() > 1);
    names
}

fn compile(
    document: &Document,
    groups: &Groups,
    rivals: Option<&BTreeSet<&ObjectRef>>,
    draft: &mut Draft,
) -> Outcome {
    let mut report = Report::new(document, &mut draft.diagnostics);
    let mut conditions = Vec::new();
    annotation::check_known(&mut report);
    check_group(&mut report, groups, &mut conditions);
    check_name(&mut report, rivals, &mut conditions);
    let (parts, command, needs_credential) = match &document.object {
        Object::Server(server) => server::compile(&mut report, &server.spec),
        Object::RemoteProxy(proxy) => remote::proxy(&mut report, &proxy.spec, &mut conditions),
        Object::Entry(entry) => remote::entry(&mut report, &entry.spec, &mut conditions),
        _ => (None, None, false),
    };
    Outcome { parts, command, withheld: report.withheld().cloned(), needs_credential, conditions }
}

/// Puts a backend into the table or among the withheld, and writes its status.
fn settle(document: &Document, outcome: Outcome, draft: &mut Draft) -> Fact {
    let Outcome { parts, command, withheld, needs_credential, mut conditions } = outcome;
    let object = &document.object_ref;
    let id = backend_id(object);
    let (url, headers) = parts.as_ref().map_or_else(Default::default, |parts| {
        (parts.address.url.clone(), parts.headers.iter().map(|header| header.name.clone()).collect())
    });
    let in_order = if object.kind == Kind::McpServerEntry { Phase::Valid } else { Phase::FromHealth };
    let mut status = ObjectStatus { url: (!url.is_empty()).then(|| url.clone()), ..ObjectStatus::default() };
    match (&withheld, parts) {
        (None, Some(parts)) => {
            status.phase = in_order;
            conditions.push(Condition::of("Valid", true, "ConfigValid", "the configuration is valid"));
            // a backend of no group is nobody's
            if group::group_of(document).is_some() {
                draft.compiled.table.insert(Entry::Backend(parts.into_backend(id.clone(), &object.name)));
                draft.compiled.commands.extend(command);
            }
        }
        (withheld, _) => {
            let reason = withheld.as_ref().map_or("", |withheld| &withheld.reason);
            let hold = withheld.as_ref().map_or(Hold::KeepPrevious, |withheld| withheld.hold);
            status.phase = Phase::Failed;
            reason.clone_into(&mut status.message);
            conditions.push(Condition::of("Valid", false, "ConfigInvalid", reason));
            draft.withhold(object, hold, reason);
        }
    }
    status.conditions = conditions;
    draft.status.insert(object.clone(), status);
    Fact { id, url, headers, withheld, needs_credential }
}

impl Parts {
    pub(crate) fn into_backend(self, id: BackendId, workload: &str) -> Backend {
        let Self { address, transport, locality, headers, egress, limits } = self;
        Backend {
            id,
            workload: workload.to_owned(),
            locality,
            transport,
            tls: address.tls,
            authority: address.authority,
            path: address.path,
            endpoints: vec![address.endpoint],
            outgoing_auth: OutgoingAuth::Unauthenticated,
            headers,
            egress,
            limits,
        }
    }
}

fn check_group(report: &mut Report<'_>, groups: &Groups, conditions: &mut Vec<Condition>) {
    let Some(name) = group::group_of(report.document) else {
        let why = "it names no group, so that no virtual server discovers it (spec.groupRef.name)";
        return report.no_effect("spec", why);
    };
    if group::find(groups, &report.document.object_ref, name).is_some() {
        let message = format!("MCPGroup {name} exists");
        return conditions.push(Condition::of("GroupRefValidated", true, "GroupRefIsValid", message));
    }
    let message = format!("Referenced MCPGroup {name} not found");
    conditions.push(Condition::of("GroupRefValidated", false, "GroupRefNotFound", message.as_str()));
    let remedy = format!(
        "create an MCPGroup {name} in the namespace {}, or correct the name",
        report.document.object_ref.namespace
    );
    report.invalid("group-not-found", "spec.groupRef.name", message, remedy);
}

fn check_name(
    report: &mut Report<'_>,
    rivals: Option<&BTreeSet<&ObjectRef>>,
    conditions: &mut Vec<Condition>,
) {
    let Some(rivals) = rivals else { return };
    let own = &report.document.object_ref;
    let others: Vec<_> = rivals.iter().filter(|other| **other != own).map(ToString::to_string).collect();
    let message = format!("the name {} is also that of {}", own.name, others.join(" and "));
    conditions.push(Condition::of("NameUnique", false, "NameCollision", message.as_str()));
    let remedy = "rename one of them: names are unique per namespace over all kinds of backends";
    report.invalid("name-collision", "metadata.name", message, remedy);
}

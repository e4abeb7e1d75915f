//! MCPServer, MCPRemoteProxy and MCPServerEntry as backends of the table (spec 1.2 to 1.4).

pub(crate) mod address;
pub(crate) mod egress;
mod front;
pub(crate) mod headers;
mod limits;
mod remote;
mod server;
mod settle;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef};
use tidegate_proto::table::{
    Backend, BackendId, Egress, Endpoint, Header, Limits, Locality, OutgoingAuth, Transport,
};

use crate::annotation;
use crate::compiled::{Command, Condition, Withheld};
use crate::draft::{Draft, backend_id};
use crate::front::{Front, Fronts};
use crate::group::{self, Groups};
use crate::report::Report;
use crate::view::ClusterView;
use crate::view::cluster::Cluster;

use address::Address;
use workload::Running;

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
    /// Where to connect.
    pub(crate) endpoints: Vec<Endpoint>,
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

/// What a backend is compiled from, beside its own document.
struct Surroundings<'a> {
    groups: &'a Groups,
    /// Backends of other kinds with its name.
    rivals: Option<&'a BTreeSet<&'a ObjectRef>>,
    place: Option<Place<'a>>,
}

/// The cluster, as one backend sees it.
#[derive(Clone, Copy)]
struct Place<'a> {
    cluster: &'a Cluster,
    fronts: &'a Fronts,
    /// Absent: it has none.
    front: Option<&'a Front>,
}

impl Surroundings<'_> {
    fn has_front(&self) -> bool {
        self.place.is_some_and(|place| place.front.is_some())
    }
}

pub(crate) fn compile_all<'a>(
    view: &'a ClusterView,
    fronts: Option<&Fronts>,
    groups: &Groups,
    draft: &mut Draft,
) -> Backends<'a> {
    let rivals = rivals(view);
    let mut facts = Backends::new();
    for document in Kind::BACKENDS.into_iter().flat_map(|kind| view.of_kind(kind)) {
        let object = &document.object_ref;
        let place = view.cluster().zip(fronts);
        let place = place.map(|(cluster, fronts)| Place { cluster, fronts, front: fronts.of(object) });
        let surroundings = Surroundings { groups, rivals: rivals.get(&name_of(object)), place };
        let outcome = compile(document, &surroundings, draft);
        facts.insert(object, settle::settle(document, &surroundings, outcome, draft));
    }
    facts
}

/// What is kept of an MCPServer that cannot be read is called at the pods that it has now.
pub(crate) fn follow_unreadable(view: &ClusterView, draft: &mut Draft) {
    let Some(cluster) = view.cluster() else { return };
    for object in view.unreadable() {
        if let Some(facts) = cluster.workloads.get(object) {
            draft.compiled.endpoints.insert(backend_id(object), workload::endpoints(Some(facts)));
        }
    }
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

fn compile(document: &Arc<Document>, surroundings: &Surroundings<'_>, draft: &mut Draft) -> Outcome {
    let place = surroundings.place;
    let mut report = Report::new(document, &mut draft.diagnostics);
    let mut conditions = Vec::new();
    annotation::check_known(&mut report);
    check_group(&mut report, surroundings, &mut conditions);
    check_name(&mut report, surroundings.rivals, &mut conditions);
    let in_cluster = place.is_some();
    let (parts, command, needs_credential) = match &document.object {
        Object::Server(server) => match place.and_then(|place| running(document, place)) {
            Some(running) => {
                let (parts, needs_credential) = running.compile(&mut report, &mut conditions);
                (parts, None, needs_credential)
            }
            None => server::compile(&mut report, &server.spec, in_cluster),
        },
        Object::RemoteProxy(proxy) => remote::proxy(&mut report, &proxy.spec, in_cluster, &mut conditions),
        Object::Entry(entry) => remote::entry(&mut report, &entry.spec, &mut conditions),
        _ => (None, None, false),
    };
    Outcome { parts, command, withheld: report.withheld().cloned(), needs_credential, conditions }
}

/// An MCPServer that the cluster runs.
fn running<'a>(document: &'a Arc<Document>, place: Place<'a>) -> Option<Running<'a>> {
    let Object::Server(server) = &document.object else { return None };
    let running = Running { document, spec: &server.spec, cluster: place.cluster, front: place.front? };
    workload::is_run(document).then_some(running)
}

impl Parts {
    pub(crate) fn into_backend(self, id: BackendId, workload: &str) -> Backend {
        let Self { address, endpoints, transport, locality, headers, egress, limits } = self;
        Backend {
            id,
            workload: workload.to_owned(),
            locality,
            transport,
            tls: address.tls,
            authority: address.authority,
            path: address.path,
            endpoints,
            outgoing_auth: OutgoingAuth::Unauthenticated,
            headers,
            egress,
            limits,
        }
    }
}

fn check_group(report: &mut Report<'_>, surroundings: &Surroundings<'_>, conditions: &mut Vec<Condition>) {
    let Some(name) = group::group_of(report.document) else {
        if surroundings.has_front() {
            return;
        }
        let why = "it names no group, so that no virtual server discovers it (spec.groupRef.name)";
        return report.no_effect("spec", why);
    };
    let found = group::find(surroundings.groups, &report.document.object_ref, name);
    if found.is_some_and(|group| group.deleting) {
        let message = "Referenced MCPGroup is being deleted";
        conditions.push(Condition::of("GroupRefValidated", false, "GroupRefNotFound", message));
        let remedy = "name another group, or none";
        return report.warn("group-not-ready", "spec.groupRef.name", message, remedy);
    }
    if found.is_some() {
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

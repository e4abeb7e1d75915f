//! MCPServer, MCPRemoteProxy and MCPServerEntry as backends of the table (spec 1.2 to 1.4).

pub(crate) mod address;
pub(crate) mod egress;
mod front;
pub(crate) mod headers;
mod limits;
mod remote;
mod server;
mod settle;
pub(crate) mod workload;

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef};
use tidegate_proto::table::{
    Backend, BackendId, Egress, Endpoint, Header, Limits, Locality, OutgoingAuth, Transport,
};

use crate::annotation;
use crate::compiled::{Command, Condition, Finalizer, Withheld};
use crate::front::Exposure;
use crate::group::{self, Standing};
use crate::memo::Same;
use crate::named::Named;
use crate::piece::Piece;
use crate::relations::Relations;
use crate::report::Report;
use crate::shared::{Materials, References};
use crate::view::ClusterView;
use crate::view::cluster;

use address::Address;
use workload::Running;

/// What virtual servers need to know of a backend resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// `metadata.name`.
    pub(crate) name: Arc<str>,
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

/// All that a backend is compiled from.
#[derive(Debug, PartialEq)]
pub(crate) struct Inputs {
    document: Same<Document>,
    /// How the group stands that it names.
    group: Option<Standing>,
    /// Other backends with its name.
    rivals: Vec<ObjectRef>,
    /// None outside a cluster.
    place: Option<Place>,
}

/// The cluster, as one backend sees it.
#[derive(Debug, PartialEq)]
struct Place {
    /// None: it has no front.
    exposure: Option<Exposure>,
    /// Its pods.
    workload: Option<Arc<cluster::Workload>>,
    bridge_image: Option<Arc<str>>,
    materials: Materials,
    references: References,
}

/// Backends of different kinds with the same name, by name.
pub(crate) type Rivals = Named<BTreeSet<ObjectRef>>;

/// It must be unique per namespace over the kinds, as it names the backend in `perWorkload` and in prefixes (decision 11).
pub(crate) fn rivals(view: &ClusterView) -> Rivals {
    let mut names: Named<Option<&ObjectRef>> = Named::default();
    let mut rivals = Rivals::default();
    for object in view.names(&Kind::BACKENDS) {
        let first = names.entry(&object.namespace, &object.name).get_or_insert(object);
        if *first != object {
            let rivals = rivals.entry(&object.namespace, &object.name);
            rivals.extend([object.clone(), first.clone()]);
        }
    }
    rivals
}

impl Inputs {
    /// All that a backend is compiled from.
    pub(crate) fn of(document: &Arc<Document>, view: &ClusterView, relations: &Relations) -> Self {
        let object = &document.object_ref;
        let group = group::group_of(document);
        let rivals = relations.rivals.get(&object.namespace, &object.name).into_iter().flatten();
        let place = view.cluster().zip(relations.fronts.as_ref()).map(|(cluster, fronts)| Place {
            exposure: fronts.of(object),
            workload: cluster.workloads.get(object).cloned(),
            bridge_image: cluster.bridge_image.clone(),
            materials: Materials::of(document, cluster),
            references: relations.references(document),
        });
        Self {
            document: Same(Arc::clone(document)),
            group: group.map(|name| group::standing(&relations.groups, object, name)),
            rivals: rivals.filter(|rival| *rival != object).cloned().collect(),
            place,
        }
    }

    /// Puts a backend into the table or among the withheld, with its status and its children.
    pub(crate) fn compile(&self) -> Piece {
        let mut piece = Piece::default();
        let outcome = self.look(&mut piece);
        settle::settle(self, outcome, &mut piece);
        if let Some(place) = &self.place {
            place.references.report(&self.document, &mut piece);
            piece.add_conditions(place.materials.conditions(&self.document));
            piece.finalizer = foreign(&self.document);
        }
        piece.observe(&self.document);
        piece
    }

    fn look(&self, piece: &mut Piece) -> Outcome {
        let mut report = Report::new(&self.document, &mut piece.diagnostics);
        let mut conditions = Vec::new();
        annotation::check_known(&mut report);
        self.check_group(&mut report, &mut conditions);
        self.check_name(&mut report, &mut conditions);
        let in_cluster = self.place.is_some();
        let (parts, command, needs_credential) = match &self.document.object {
            Object::Server(server) => match self.running() {
                Some(running) => {
                    let (parts, needs_credential) = running.compile(&mut report, &mut conditions);
                    (parts, None, needs_credential)
                }
                None => server::compile(&mut report, &server.spec, in_cluster),
            },
            Object::RemoteProxy(proxy) => {
                remote::proxy(&mut report, &proxy.spec, in_cluster, &mut conditions)
            }
            Object::Entry(entry) => remote::entry(&mut report, &entry.spec, &mut conditions),
            _ => (None, None, false),
        };
        Outcome { parts, command, withheld: report.withheld().cloned(), needs_credential, conditions }
    }

    /// An MCPServer that the cluster runs.
    fn running(&self) -> Option<Running<'_>> {
        let Object::Server(server) = &self.document.object else { return None };
        let place = self.place.as_ref()?;
        let front = &place.exposure.as_ref()?.front;
        let running = Running { document: &self.document, spec: &server.spec, place, front };
        workload::is_run(&self.document).then_some(running)
    }

    fn exposure(&self) -> Option<&Exposure> {
        self.place.as_ref()?.exposure.as_ref()
    }

    fn check_group(&self, report: &mut Report<'_>, conditions: &mut Vec<Condition>) {
        let Some((name, standing)) = group::group_of(&self.document).zip(self.group) else {
            if self.exposure().is_some() {
                return;
            }
            let why = "it names no group, so that no virtual server discovers it (spec.groupRef.name)";
            return report.no_effect("spec", why);
        };
        let of = |holds, reason, message: &str| Condition::of("GroupRefValidated", holds, reason, message);
        match standing {
            Standing::There => {
                conditions.push(of(true, "GroupRefIsValid", &format!("MCPGroup {name} exists")));
            }
            Standing::Deleting => {
                let message = "Referenced MCPGroup is being deleted";
                conditions.push(of(false, "GroupRefNotFound", message));
                let remedy = "name another group, or none";
                report.warn("group-not-ready", "spec.groupRef.name", message, remedy);
            }
            Standing::Missing => {
                let message = format!("Referenced MCPGroup {name} not found");
                conditions.push(of(false, "GroupRefNotFound", &message));
                let remedy = format!(
                    "create an MCPGroup {name} in the namespace {}, or correct the name",
                    self.document.object_ref.namespace
                );
                report.invalid("group-not-found", "spec.groupRef.name", message, remedy);
            }
        }
    }

    fn check_name(&self, report: &mut Report<'_>, conditions: &mut Vec<Condition>) {
        if self.rivals.is_empty() {
            return;
        }
        let others: Vec<_> = self.rivals.iter().map(ToString::to_string).collect();
        let name = &self.document.object_ref.name;
        let message = format!("the name {name} is also that of {}", others.join(" and "));
        conditions.push(Condition::of("NameUnique", false, "NameCollision", message.as_str()));
        let remedy = "rename one of them: names are unique per namespace over all kinds of backends";
        report.invalid("name-collision", "metadata.name", message, remedy);
    }
}

/// What the original's controllers hold, who do not run any more.
fn foreign(document: &Document) -> Option<Finalizer> {
    const NAME: &str = "mcpserver.toolhive.stacklok.dev/finalizer";
    let is_server = document.object_ref.kind == Kind::McpServer;
    let held = document.object.metadata().finalizers.iter().any(|finalizer| finalizer == NAME);
    (is_server && held).then_some(Finalizer { name: NAME, hold: false })
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

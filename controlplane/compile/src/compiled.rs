//! The result of compiling.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::child::{Child, ChildKey, ChildKind};
use tidegate_controlplane_api::types::ServerTransport;
use tidegate_controlplane_api::{Diagnostic, ObjectRef};
use tidegate_proto::table::{BackendId, Endpoint, EntryKey, Member, Table, VirtualServerId};

/// What a view means. The maps are persistent: of two views that follow each other, the results share what did not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// What can be served as written. [`crate::hold()`] adds what goes on being served otherwise.
    pub table: Table,
    /// What is left out of `table`, and what that means for its previous value.
    pub withheld: OrdMap<EntryKey, Withheld>,
    /// What is to be written into each object's status.
    pub status: OrdMap<ObjectRef, Arc<ObjectStatus>>,
    /// What is to be in the cluster; empty for a directory.
    pub children: OrdMap<ChildKey, Arc<Child>>,
    /// Owners and kinds of children of which it is not known what they should be: what is there, and not in `children`,
    /// is neither changed nor deleted.
    pub left_alone: OrdSet<(ObjectRef, ChildKind)>,
    /// What `tidegate up` runs, by backend.
    pub commands: Arc<Vec<Command>>,
    /// What is to be said, in order of place. Diagnostics of reading are the store's.
    pub diagnostics: Arc<Vec<Diagnostic>>,
    /// Members that a virtual server has when a withheld backend's previous value is kept.
    pub candidates: OrdMap<VirtualServerId, Vec<Member>>,
    /// Where the pods of withheld backends are now: what is kept of those goes on being called there.
    pub endpoints: OrdMap<BackendId, Vec<Endpoint>>,
    /// What holds the deletion of objects, or does so no more. To be released after the statuses have been written.
    pub finalizers: OrdMap<ObjectRef, Finalizer>,
    /// Backends that a virtual server must not use although others may.
    pub barred: OrdMap<VirtualServerId, BTreeSet<BackendId>>,
}

/// One of `metadata.finalizers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finalizer {
    /// As it is written.
    pub name: &'static str,
    /// It is to be there; else it is to be removed.
    pub hold: bool,
}

/// Why an entry is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// What becomes of its previous value.
    pub hold: Hold,
    /// In plain words.
    pub reason: String,
}

/// What becomes of the previous value of a withheld entry. The greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// It goes on being served: a mistake changes nothing.
    KeepPrevious,
    /// It is removed: serving it, or what was there before, would be weaker than what is written now.
    Remove,
}

/// Status of one object, as far as it can be told without the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectStatus {
    /// Where the object stands.
    pub phase: Phase,
    /// For people.
    pub message: String,
    /// Where it is reached: a virtual server's Service, a backend's address.
    pub url: Option<String>,
    /// In the order in which they were decided.
    pub conditions: Vec<Condition>,
    /// `discoveredBackends` of a virtual server: members that are served, by name.
    pub discovered: Vec<Discovered>,
    /// Members of an MCPGroup.
    pub members: Option<GroupMembers>,
    /// What only some kinds have.
    pub details: Details,
    /// `metadata.generation` of the spec that this speaks of; absent outside a cluster.
    pub observed_generation: Option<i64>,
}

/// Fields of `status` that only some kinds have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Pods of an MCPServer that are ready; absent when the cluster does not run it.
    pub ready_replicas: Option<u32>,
    /// Digest of a configuration's spec.
    pub config_hash: Option<String>,
    /// Of a VirtualMCPCompositeToolDefinition.
    pub workflow: Option<Workflow>,
}

/// Whether a composite tool can be run, and who wants to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workflow {
    /// `validationErrors`; none: `validationStatus` is `Valid`.
    pub errors: Vec<String>,
    /// `referencingVirtualServers`: names, sorted.
    pub referring: Vec<String>,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not served as written.
    Failed,
    /// Waiting for something that is named.
    #[default]
    Pending,
    /// An MCPGroup whose members are listed, an MCPServer with a pod that is ready.
    Ready,
    /// An MCPServerEntry in order.
    Valid,
    /// The kind has no phase.
    None,
    /// An MCPServer without replicas.
    Stopped,
    /// An MCPServer that is being deleted.
    Terminating,
    /// In order; `Pending`, `Ready`, `Degraded` or `Failed` follow from what the nodes report.
    FromHealth,
}

/// One of `status.conditions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Unique within an object.
    pub r#type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word in CamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// `conditions[].status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
}

/// One of `discoveredBackends`, as far as it can be told without the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Name within the virtual server.
    pub name: String,
    /// Entry of the table.
    pub backend: BackendId,
    /// Where it is.
    pub url: String,
    /// As in `unauthenticated`.
    pub auth_type: &'static str,
}

/// Members of an MCPGroup, by kind, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMembers {
    /// MCPServers.
    pub servers: Vec<String>,
    /// MCPRemoteProxies.
    pub remote_proxies: Vec<String>,
    /// MCPServerEntries.
    pub entries: Vec<String>,
}

/// A process to run beside the gateway (`tidegate.dev/command`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The MCPServer.
    pub object: ObjectRef,
    /// Its entry in the table.
    pub backend: BackendId,
    /// Program and arguments; at least one item.
    pub argv: Vec<String>,
    /// `spec.env`, in order.
    pub env: Vec<(String, String)>,
    /// How the process itself speaks: `stdio` needs a bridge that serves streamable HTTP at `endpoint`.
    pub transport: ServerTransport,
    /// Where it is to listen: `host:port/path`.
    pub endpoint: String,
}

impl Compiled {
    /// Whether any object is not served as written.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

impl ObjectStatus {
    /// A status without conditions.
    pub fn new(phase: Phase, message: impl Into<String>) -> Self {
        Self { phase, message: message.into(), ..Self::default() }
    }
}

impl Condition {
    /// A condition that holds or does not.
    pub fn of(
        r#type: impl Into<String>,
        holds: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        Self { r#type: r#type.into(), status, reason, message: message.into() }
    }

    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

impl Workflow {
    /// `validationStatus`.
    pub fn status(&self) -> &'static str {
        if self.errors.is_empty() { "Valid" } else { "Invalid" }
    }
}

impl Phase {
    /// As in `status.phase`; `FromHealth` before any report is `Pending`.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Failed => "Failed",
            Phase::Pending | Phase::FromHealth => "Pending",
            Phase::Ready => "Ready",
            Phase::Valid => "Valid",
            Phase::Stopped => "Stopped",
            Phase::None => "",
            Phase::Terminating => "Terminating",
        }
    }
}

impl ConditionStatus {
    /// As in `conditions[].status`.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
        }
    }
}

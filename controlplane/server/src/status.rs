//! `status` of every object (spec 1.1 to 1.5): what compile knows of it and what the nodes say, folded into one answer, with
//! the time of each condition's last change. [`Board`] is where the present one is read; [`schedule`] decides what is
//! written and when; [`writer`] writes.

mod backends;
pub(crate) mod board;
mod cluster;
mod dir;
mod document;
pub(crate) mod facts;
pub(crate) mod member;
mod phase;
mod present;
mod refused;
mod reported;
mod schedule;
mod sweep;
mod transitions;
mod virtual_servers;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile::{self as compile, Details, GroupMembers, ObjectStatus};

use facts::Facts;

pub use board::{Board, Look, Picture};
pub use cluster::ClusterWriter;
pub use dir::DirWriter;
pub use document::{document, fields, rfc3339};
pub use member::{Breaker, Word};
pub use phase::Phase;
pub use schedule::{Schedule, Step};
pub use writer::{StatusWriter, report};

/// How often the status of an object is written where its spec has no say (`statusReportingInterval`).
pub const INTERVAL: Duration = Duration::from_secs(30);

/// Statuses by object. What is the same at two moments is shared by both.
pub type Statuses = OrdMap<ObjectRef, Arc<Status>>;

/// `status` of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// `Pending`, `Ready`, `Degraded`, `Failed`, `Valid`.
    pub phase: &'static str,
    /// For people.
    pub message: String,
    /// A virtual server's Service, a backend's address.
    pub url: Option<String>,
    /// Of a virtual server.
    pub serving: Option<Serving>,
    /// Of an MCPGroup.
    pub members: Option<GroupMembers>,
    /// What only some kinds have.
    pub details: Details,
    /// `metadata.generation` of the spec that this speaks of, where there is one.
    pub observed_generation: Option<i64>,
    /// At most one of each type.
    pub conditions: Vec<Condition>,
    /// How often it is written when details change.
    pub interval: Duration,
}

/// What a virtual server routes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Serving {
    /// `backendCount`: ready, waiting for credentials, or not probed.
    pub backend_count: usize,
    /// `discoveredBackends`, by name.
    pub backends: Vec<DiscoveredBackend>,
}

/// One of `discoveredBackends` (spec 1.5.5).
#[derive(Clone, Debug, PartialEq)]
pub struct DiscoveredBackend {
    /// Name within the virtual server.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How it is.
    pub status: Word,
    /// Name of the MCPExternalAuthConfig whose credential is attached.
    pub auth_config_ref: Option<String>,
    /// As in `unauthenticated`.
    pub auth_type: &'static str,
    /// Why, for people.
    pub message: String,
    /// Time of the last probe, in milliseconds of Unix time; 0: never.
    pub checked_unix_ms: u64,
    /// Absent: it has none.
    pub breaker: Option<Breaker>,
    /// When the breaker last changed, likewise.
    pub breaker_changed_unix_ms: u64,
    /// Failures since the last success, the most at any node.
    pub consecutive_failures: u32,
    /// Protocol revision it speaks; empty: not known.
    pub mcp_revision: String,
}

/// One of `status.conditions`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Unique within an object.
    pub r#type: String,
    /// Whether it holds.
    pub holds: bool,
    /// One word in CamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// When `holds` last changed, in milliseconds of Unix time.
    pub since_unix_ms: u64,
}

/// The status of an object, conditions not stamped yet.
fn status(facts: &Facts<'_>, object: &ObjectRef, compiled: &ObjectStatus) -> Status {
    match object.kind {
        Kind::VirtualMcpServer => virtual_servers::status(facts, object, compiled),
        Kind::McpServer | Kind::McpRemoteProxy => backends::status(facts, object, compiled),
        _ => Status::of(compiled),
    }
}

impl Status {
    /// What compile says, without the nodes.
    fn of(compiled: &ObjectStatus) -> Self {
        Self {
            phase: compiled.phase.as_str(),
            message: compiled.message.clone(),
            url: compiled.url.clone(),
            serving: None,
            members: compiled.members.clone(),
            details: compiled.details.clone(),
            observed_generation: compiled.observed_generation,
            conditions: compiled.conditions.iter().map(Condition::from).collect(),
            interval: INTERVAL,
        }
    }

    /// Sets a condition, replacing the one of that type.
    fn set(&mut self, r#type: &str, holds: bool, reason: &'static str, message: impl Into<String>) {
        self.conditions.retain(|condition| condition.r#type != r#type);
        let (r#type, message) = (r#type.to_owned(), message.into());
        self.conditions.push(Condition { r#type, holds, reason, message, since_unix_ms: 0 });
    }

    /// The condition of a type.
    pub fn condition(&self, r#type: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == r#type)
    }
}

impl From<&compile::Condition> for Condition {
    fn from(condition: &compile::Condition) -> Self {
        Self {
            r#type: condition.r#type.clone(),
            holds: condition.status == compile::ConditionStatus::True,
            reason: condition.reason,
            message: condition.message.clone(),
            since_unix_ms: 0,
        }
    }
}

impl Condition {
    /// As in `conditions[].status`.
    pub fn status(&self) -> &'static str {
        if self.holds { "True" } else { "False" }
    }
}

#[cfg(test)]
mod tests;

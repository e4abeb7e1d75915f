//! `compile(view) -> table, status, commands, diagnostics`: what the resources of a cluster or directory mean.
//!
//! Total, deterministic, pure: no I/O, no clock, no randomness. One bad object is withheld by name; the others
//! continue. [`hold()`] then says what goes on being served for the withheld ones. Must not know where documents
//! come from, nor how tables reach the nodes.

mod annotation;
mod backend;
mod child;
mod compiled;
mod compiler;
mod dump;
mod front;
mod group;
mod hold;
mod memo;
mod named;
mod piece;
mod pod;
mod relations;
mod report;
mod shared;
mod view;
mod virtual_server;

pub use child::{Child, ChildKey, ChildKind};
pub use compiled::{
    Command, Compiled, Condition, ConditionStatus, Details, Discovered, Finalizer, GroupMembers, Hold,
    ObjectStatus, Phase, Withheld, Workflow,
};
pub use compiler::Compiler;
pub use dump::{dump_status, dump_table};
pub use hold::{hold, hold_commands};
pub use view::cluster::{Cluster, Gateway, NamespacedName, PodEndpoint, Service, Workload};
pub use view::{ClusterView, Objects};

/// Compiles a view. The same view gives the same result, whatever the order in which it was put together.
pub fn compile(view: &ClusterView) -> Compiled {
    Compiler::default().compile(view)
}

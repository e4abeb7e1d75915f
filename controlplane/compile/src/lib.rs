//! `compile(view) -> table, status, commands, diagnostics`: what the resources of a cluster or directory mean.
//!
//! Total, deterministic, pure: no I/O, no clock, no randomness. One bad object is withheld by name; the others
//! continue. [`hold()`] then says what goes on being served for the withheld ones. Must not know where documents
//! come from, nor how tables reach the nodes.

mod annotation;
mod backend;
mod child;
mod compiled;
mod draft;
mod dump;
mod front;
mod group;
mod hold;
mod pod;
mod report;
mod shared;
mod view;
mod virtual_server;

pub use child::{Child, ChildKey, ChildKind};
pub use compiled::{
    Command, Compiled, Condition, ConditionStatus, Details, Discovered, Finalizer, GroupMembers, Hold,
    ObjectStatus, Phase, Withheld, Workflow,
};
pub use dump::{dump_status, dump_table};
pub use hold::{hold, hold_commands};
pub use view::ClusterView;
pub use view::cluster::{Cluster, Gateway, NamespacedName, PodEndpoint, Service, Workload};

use draft::Draft;
use front::Fronts;

/// Compiles a view. The same view gives the same result, whatever the order in which it was put together.
pub fn compile(view: &ClusterView) -> Compiled {
    let mut draft = Draft::default();
    view::report_duplicates(view, &mut draft);
    let fronts = Fronts::plan(view);
    let groups = group::index(view);
    let backends = backend::compile_all(view, fronts.as_ref(), &groups, &mut draft);
    group::report(view, &groups, &mut draft);
    virtual_server::compile_all(view, fronts.as_ref(), &groups, &backends, &mut draft);
    front::leave_unreadable(view, fronts.as_ref(), &mut draft);
    backend::follow_unreadable(view, &mut draft);
    shared::report(view, &mut draft);
    view::observe_generations(view, &mut draft);
    draft.finish()
}

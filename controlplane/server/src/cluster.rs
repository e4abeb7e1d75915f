//! What the control plane does in a cluster besides watching it: one replica leads, and the leader keeps child objects, statuses,
//! finalizers and events as compiling wants them. Everything is level-triggered: what is there is compared with what should be, and
//! only differences are written.

pub mod children;
pub mod connect;
mod cover;
pub mod events;
pub mod finalizers;
pub mod held;
pub mod lead;
mod pace;

pub use cover::covers;
pub use pace::Pace;

/// Field manager, controller name, name of the Lease.
pub const NAME: &str = "tidegate-controlplane";
/// Requests to the API server under way at a time, of each writer.
pub const CONCURRENCY: usize = 8;

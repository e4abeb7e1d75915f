//! The node's end of the push protocol: keeps one stream to the control plane, hands each step to the
//! gateway, keeps last-known-good on disk. A thin shell: every decision is [`tidegate_proto`]'s.

mod address;
mod applier;

use std::path::PathBuf;

pub use address::{ControlPlaneAddr, ControlPlaneAddrError};
pub use applier::{Applier, Step};

/// What the node says of itself, and where things are.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// Where the control plane answers.
    pub control_plane: ControlPlaneAddr,
    /// Stable name of the node; a second stream of the same name replaces the first.
    pub node: String,
    /// Where clients reach the shared port, for people: `http://127.0.0.1:4483`.
    pub listen: String,
    /// Directory of last-known-good and of the session keys; made if it is missing.
    pub state_dir: PathBuf,
    /// Version of the running binary, for people.
    pub software_version: String,
}

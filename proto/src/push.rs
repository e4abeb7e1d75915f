//! The push protocol without I/O: one stream per node, over which the newest table goes down as steps
//! and verdicts and reports come up. Both ends are state machines that take an input and the time and
//! return effects; the shells in `controlplane/server` and `dataplane/gateway` carry these out. They live
//! side by side so that one simulation drives both.

pub mod backoff;
pub mod control;
mod liveness;
pub mod node;
pub mod report;
mod version;

use std::time::Duration;

pub use version::Version;

/// Number of this protocol; a control plane refuses others.
pub const PROTOCOL: u32 = 1;

/// Largest message either end sends or takes, in bytes. 3,000 entries need about 1 MiB.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Longest name of a node, in bytes.
pub const MAX_NODE_NAME: usize = 253;

/// How long things may take, and how large they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Between two pings of one end.
    pub ping_every: Duration,
    /// Silence after which the other end is taken for dead.
    pub dead_after: Duration,
    /// Time for a verdict after which a node is called slow.
    pub slow_after: Duration,
    /// Time for a verdict after which the control plane closes the stream.
    pub verdict_within: Duration,
    /// How long a node that has seen a newer view waits for this control plane to catch up. After that the view that it has seen is
    /// taken for lost, as when a cluster was restored from a backup.
    pub catch_up_within: Duration,
    /// Largest message, in bytes.
    pub max_message: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(10),
            dead_after: Duration::from_secs(30),
            slow_after: Duration::from_secs(5),
            verdict_within: Duration::from_secs(120),
            catch_up_within: Duration::from_secs(30),
            max_message: MAX_MESSAGE,
        }
    }
}

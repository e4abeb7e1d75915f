//! How backends are treated that are slow, fail or have too much to do.

use std::collections::BTreeMap;
use std::time::Duration;

/// What one node has open towards a backend at most, whoever asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections, idle ones included; at least 1.
    pub connections: u32,
    /// Calls in flight; at least 1.
    pub requests: u32,
    /// Calls that wait for one of those to end; beyond it they are refused.
    pub pending: u32,
}

/// Bounds of parts of a backend request (annotations `tidegate.dev/*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Of connecting.
    pub connect: Duration,
    /// Of silence in an answer that is an event stream; absent: the bound of the whole call.
    pub idle: Option<Duration>,
    /// Of whole calls, by exposed tool name; goes before the workload's.
    pub tools: BTreeMap<String, Duration>,
}

/// `operational.failureHandling` (spec 5.1, 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPolicy {
    /// Between two probes.
    pub interval: Duration,
    /// Bound of one probe; smaller than `interval`.
    pub timeout: Duration,
    /// Consecutive failures until unhealthy; at least 1.
    pub unhealthy_threshold: u32,
    /// `TOOLHIVE_REMOTE_HEALTHCHECKS` (spec 5.3).
    pub probe_remote: bool,
}

/// `operational.failureHandling.circuitBreaker` (spec 5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Consecutive failures until open; at least 1.
    pub failure_threshold: u32,
    /// How long it stays open; at least 1 s.
    pub open_for: Duration,
    /// Failures of calls count for the tool that was called; the backend's own breaker counts failed connections
    /// and probes.
    pub per_tool: bool,
}

/// `partialFailureMode` (spec 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialFailure {
    /// Answer from the healthy ones (also when the field is absent).
    BestEffort,
    /// Fail the request.
    Fail,
}

impl Default for Limits {
    /// Enough for any MCP server that runs in one process, and not more than such a one bears.
    fn default() -> Self {
        Self { connections: 512, requests: 256, pending: 1024 }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Self::CONNECT, idle: None, tools: BTreeMap::new() }
    }
}

impl Timeouts {
    /// Bound of connecting where nothing else is said.
    pub const CONNECT: Duration = Duration::from_secs(5);
}

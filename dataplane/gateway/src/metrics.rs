//! Counters. The request path adds to plain atomics that live with the thing they count; a scrape reads them
//! ([`scrape`]). Labels are bounded by the number of virtual servers and backends in the table.

mod scrape;
mod tally;

use crate::session::lock;
use crate::tls::TlsStats;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub(crate) use tally::Tally;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum End {
    /// Answered; for a call: the backend's answer was passed on to its end.
    Ok,
    /// Refused or failed with a fault; the fault has its own counter.
    Fault,
    /// The client went away before the end.
    ClientGone,
    /// The backend broke off in the middle of its answer.
    Cut,
}

/// What kind of request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Kind {
    Call,
    List,
    Initialize,
    Notification,
    Stream,
    Delete,
    Ping,
    Other,
}

const KINDS: [&str; 8] =
    ["tools_call", "tools_list", "initialize", "notification", "stream", "delete", "ping", "other"];
const ENDS: [&str; 4] = ["ok", "fault", "client_gone", "cut"];

impl End {
    pub(crate) fn as_str(self) -> &'static str {
        ENDS[self as usize]
    }
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        KINDS[self as usize]
    }
}

/// Upper bounds of the latency buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// Counters of one virtual server.
#[derive(Debug, Default)]
pub(crate) struct ServerStats {
    requests: [[AtomicU64; ENDS.len()]; KINDS.len()],
    pub(crate) streams_open: AtomicU64,
}

/// Counters of one backend.
#[derive(Debug, Default)]
pub(crate) struct BackendStats {
    latency: [AtomicU64; BOUNDS.len() + 1],
    latency_sum_us: AtomicU64,
    pub(crate) connects: AtomicU64,
    pub(crate) connect_failures: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) sessions_lost: AtomicU64,
    pub(crate) sessions_moved: AtomicU64,
    /// Calls that the client was told to have failed, whatever the reason.
    pub(crate) call_failures: Tally,
    pub(crate) shed: Tally,
    pub(crate) retries: Tally,
    pub(crate) retries_refused: Tally,
    /// Cancellations that were not sent: too much of the gateway's own was under way.
    pub(crate) cancels_dropped: Tally,
    pub(crate) probes: AtomicU64,
    pub(crate) probe_failures: AtomicU64,
}

/// Counters of the process.
#[derive(Debug, Default)]
pub(crate) struct NodeStats {
    pub(crate) connections: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) idle_closed: AtomicU64,
    pub(crate) request_timeouts: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) rejected_entries: AtomicU64,
    pub(crate) certificates_issued: AtomicU64,
    pub(crate) certificate_failures: AtomicU64,
    /// Seconds since 1970; 0: there is none.
    pub(crate) certificate_until: AtomicU64,
    pub(crate) accept_failures: Tally,
    pub(crate) slow_readers: Tally,
    pub(crate) tls: TlsStats,
    pub(crate) sessions_created: AtomicU64,
    pub(crate) tokens_opened: AtomicU64,
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

pub(crate) fn inc(c: &AtomicU64) {
    c.fetch_add(1, Relaxed);
}

impl ServerStats {
    pub(crate) fn count(&self, kind: Kind, end: End) {
        inc(&self.requests[kind as usize][end as usize]);
    }
}

impl BackendStats {
    /// Calls that were answered, in all.
    pub(crate) fn calls(&self) -> u64 {
        self.latency.iter().map(|n| n.load(Relaxed)).sum()
    }

    pub(crate) fn latency(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let i = BOUNDS.iter().position(|b| us <= *b).unwrap_or(BOUNDS.len());
        inc(&self.latency[i]);
        self.latency_sum_us.fetch_add(us, Relaxed);
    }
}

impl NodeStats {
    /// Faults are rare: a lock is good enough.
    pub(crate) fn fault(&self, code: &'static str) {
        *lock(&self.faults).entry(code).or_default() += 1;
    }
}

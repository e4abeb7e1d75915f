//! Counters. The request path adds to plain atomics that live with the thing they count; a scrape reads
//! them. Labels are bounded by the number of virtual servers and backends in the table.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

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

/// Upper bounds of the latency buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// Counters of one virtual server.
#[derive(Debug, Default)]
pub(crate) struct ServerStats {
    requests: [[AtomicU64; 4]; 8],
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
}

/// Counters of the process.
#[derive(Debug, Default)]
pub(crate) struct NodeStats {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_open: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) rejected_entries: AtomicU64,
    pub(crate) accept_failures: AtomicU64,
    pub(crate) sessions_sealed: AtomicU64,
    pub(crate) tokens_opened: AtomicU64,
    faults: std::sync::Mutex<std::collections::BTreeMap<&'static str, u64>>,
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
        *crate::session::lock(&self.faults).entry(code).or_default() += 1;
    }
}

/// Writes one sample family in the Prometheus text format.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (i, (k, v)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{k}=\"{}\"", if i == 0 { '{' } else { ',' }, escape(v));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

fn escape(v: &str) -> String {
    v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

type Read<T> = fn(&T) -> &AtomicU64;

impl crate::state::Gateway {
    /// The Prometheus text of a scrape.
    pub fn metrics(&self) -> String {
        let mut t = Text(String::with_capacity(16 * 1024));
        self.node_metrics(&mut t);
        self.server_metrics(&mut t);
        self.backend_metrics(&mut t);
        t.0
    }

    fn node_metrics(&self, t: &mut Text) {
        let n = &self.stats;
        let families: [(&str, &str, &str, &AtomicU64); 8] = [
            ("tidegate_connections_total", "counter", "Client connections accepted.", &n.connections),
            ("tidegate_connections_open", "gauge", "Client connections open.", &n.connections_open),
            ("tidegate_requests_in_flight", "gauge", "Requests that a drain waits for.", &n.in_flight),
            ("tidegate_table_swaps_total", "counter", "Snapshots swapped in.", &n.swaps),
            (
                "tidegate_entries_rejected_total",
                "counter",
                "Table entries this node refused.",
                &n.rejected_entries,
            ),
            ("tidegate_accept_failures_total", "counter", "Failed accept calls.", &n.accept_failures),
            (
                "tidegate_sessions_created_total",
                "counter",
                "Sessions opened by initialize.",
                &n.sessions_sealed,
            ),
            (
                "tidegate_session_tokens_opened_total",
                "counter",
                "Tokens decrypted (cache misses).",
                &n.tokens_opened,
            ),
        ];
        for (name, kind, help, value) in families {
            t.family(name, kind, help);
            t.sample(name, &[], value.load(Relaxed));
        }
        t.family("tidegate_sessions_known", "gauge", "Sessions in this node's cache.");
        t.sample("tidegate_sessions_known", &[], self.sessions.len());
        t.family("tidegate_table_stale", "gauge", "1 while no control plane confirms the table.");
        t.sample("tidegate_table_stale", &[], u8::from(!self.synced()));
        t.family("tidegate_faults_total", "counter", "Requests that ended in a fault, by code.");
        for (code, n) in crate::session::lock(&n.faults).iter() {
            t.sample("tidegate_faults_total", &[("code", code)], n);
        }
        if let Some(count) = self.allocations {
            t.family("tidegate_process_allocations_total", "counter", "Heap allocations of the process.");
            t.sample("tidegate_process_allocations_total", &[], count());
        }
    }

    fn server_metrics(&self, t: &mut Text) {
        let snapshot = self.snapshot();
        t.family("tidegate_requests_total", "counter", "MCP requests, by kind and how they ended.");
        for s in &snapshot.servers {
            let id = s.id().to_string();
            for (k, ends) in KINDS.iter().zip(&s.lasting.stats.requests) {
                for (e, n) in ENDS.iter().zip(ends) {
                    let n = n.load(Relaxed);
                    if n > 0 {
                        let labels = [("virtual_server", &*id), ("kind", k), ("end", e)];
                        t.sample("tidegate_requests_total", &labels, n);
                    }
                }
            }
        }
        t.family("tidegate_streams_open", "gauge", "GET streams held open.");
        t.family("tidegate_tools", "gauge", "Tools advertised.");
        for s in &snapshot.servers {
            let id = s.id().to_string();
            let labels = [("virtual_server", &*id)];
            t.sample("tidegate_streams_open", &labels, s.lasting.stats.streams_open.load(Relaxed));
            t.sample("tidegate_tools", &labels, s.catalog.tools().count());
        }
    }

    fn backend_metrics(&self, t: &mut Text) {
        let snapshot = self.snapshot();
        let counters: [(&str, &str, Read<BackendStats>); 7] = [
            ("tidegate_backend_connects_total", "Connections opened.", |s| &s.connects),
            ("tidegate_backend_connect_failures_total", "Connections that failed to open.", |s| {
                &s.connect_failures
            }),
            ("tidegate_backend_timeouts_total", "Calls cut at their bound.", |s| &s.timeouts),
            ("tidegate_backend_failures_total", "Calls failed by the backend.", |s| &s.failures),
            ("tidegate_backend_cancelled_total", "Calls cancelled at the backend.", |s| &s.cancelled),
            ("tidegate_backend_sessions_opened_total", "Backend sessions opened.", |s| &s.sessions_opened),
            ("tidegate_backend_sessions_lost_total", "Sessions the backend forgot.", |s| &s.sessions_lost),
        ];
        for (name, help, read) in counters {
            t.family(name, "counter", help);
            for b in snapshot.backends.values() {
                let labels = [("backend", b.spec.id.as_str())];
                t.sample(name, &labels, read(&b.shared.stats).load(Relaxed));
            }
        }
        t.family("tidegate_backend_up", "gauge", "1 when the catalog session works.");
        for b in snapshot.backends.values() {
            let up = u8::from(b.shared.reach() == crate::backend::Reach::Up);
            t.sample("tidegate_backend_up", &[("backend", b.spec.id.as_str())], up);
        }
        let name = "tidegate_backend_call_duration_seconds";
        t.family(name, "histogram", "From the request's arrival to the answer's last byte.");
        for b in snapshot.backends.values() {
            b.shared.stats.write_latency(t, name, b.spec.id.as_str());
        }
    }
}

impl BackendStats {
    fn write_latency(&self, t: &mut Text, name: &str, backend: &str) {
        let mut sum = 0;
        let bucket = format!("{name}_bucket");
        for (i, n) in self.latency.iter().enumerate() {
            sum += n.load(Relaxed);
            let le = BOUNDS.get(i).map_or("+Inf".into(), |b| format!("{}", *b as f64 / 1e6));
            t.sample(&bucket, &[("backend", backend), ("le", &le)], sum);
        }
        let total = self.latency_sum_us.load(Relaxed) as f64 / 1e6;
        t.sample(&format!("{name}_sum"), &[("backend", backend)], total);
        t.sample(&format!("{name}_count"), &[("backend", backend)], sum);
    }
}

//! What a scrape reads, in the Prometheus text format.

mod standing;
mod tls;

use super::{BOUNDS, BackendStats, ENDS, KINDS};
use crate::backend::{BackendState, Reach};
use crate::session::lock;
use crate::snapshot::{Server, Snapshot};
use crate::state::Gateway;
use prometheus::proto::MetricType::{self, COUNTER, GAUGE};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily};
use prometheus::{Encoder, TextEncoder};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

impl Gateway {
    /// The Prometheus text of a scrape.
    pub fn metrics(&self) -> String {
        let snapshot = self.snapshot().clone();
        let mut text = Vec::with_capacity(16 * 1024);
        let tls = self.options.tls.is_some().then(|| tls::families(&self.stats.tls));
        let node = self.node_families().into_iter().chain(tls.into_iter().flatten());
        let rest = server_families(&snapshot).into_iter().chain(backend_families(&snapshot));
        // one at a time: of many backends a family takes more than its text
        for family in node.chain(rest).chain(standing::families(&snapshot)) {
            if family.get_metric().is_empty() {
                continue;
            }
            if let Err(e) = TextEncoder::new().encode(&[family], &mut text) {
                tracing::error!(error = %e, "metrics not written");
                return String::new();
            }
        }
        String::from_utf8(text).unwrap_or_default()
    }

    fn node_families(&self) -> Vec<MetricFamily> {
        let n = &self.stats;
        let rows = [
            ("connections_total", COUNTER, "Client connections accepted.", read(&n.connections)),
            ("connections_open", GAUGE, "Client connections open.", self.clients.connections() as u64),
            (
                "idle_connections_closed_total",
                COUNTER,
                "Client connections closed for idleness.",
                read(&n.idle_closed),
            ),
            (
                "request_timeouts_total",
                COUNTER,
                "Requests that did not arrive whole in time.",
                read(&n.request_timeouts),
            ),
            ("requests_in_flight", GAUGE, "Requests that a drain waits for.", read(&n.in_flight)),
            ("table_swaps_total", COUNTER, "Routing tables swapped in.", read(&n.swaps)),
            (
                "catalog_merges_total",
                COUNTER,
                "Snapshots built because capabilities changed.",
                read(&n.merges),
            ),
            (
                "entries_rejected_total",
                COUNTER,
                "Table entries that this node refused.",
                read(&n.rejected_entries),
            ),
            (
                "certificates_issued_total",
                COUNTER,
                "Certificates that the control plane issued to this node.",
                read(&n.certificates_issued),
            ),
            (
                "certificate_failures_total",
                COUNTER,
                "Attempts to get a certificate that failed.",
                read(&n.certificate_failures),
            ),
            (
                "certificate_expires_seconds",
                GAUGE,
                "When this node's certificate expires, in seconds since 1970; 0: it has none.",
                read(&n.certificate_until),
            ),
            ("accept_failures_total", COUNTER, "Failed accept calls.", n.accept_failures.total()),
            ("slow_readers_total", COUNTER, "Clients cut because they did not read.", n.slow_readers.total()),
            ("sessions_created_total", COUNTER, "Sessions opened by initialize.", read(&n.sessions_created)),
            (
                "session_tokens_opened_total",
                COUNTER,
                "Tokens decrypted: misses of the cache.",
                read(&n.tokens_opened),
            ),
            ("sessions_known", GAUGE, "Sessions in this node's cache.", self.sessions.len() as u64),
            ("table_stale", GAUGE, "1 while no control plane confirms the table.", u64::from(!self.synced())),
        ];
        let mut families: Vec<_> = rows
            .into_iter()
            .map(|(name, kind, help, v)| family(name, kind, help, vec![sample(kind, &[], v as f64)]))
            .collect();
        let refused =
            self.clients.refused().map(|(r, v)| sample(COUNTER, &[("reason", r)], v as f64)).collect();
        families.push(family("refused_total", COUNTER, "Clients refused at a bound, by reason.", refused));
        let faults = lock(&n.faults);
        let faults = faults.iter().map(|(code, v)| sample(COUNTER, &[("code", code)], *v as f64)).collect();
        families.push(family("faults_total", COUNTER, "Requests that ended in a fault, by code.", faults));
        let allocations = self.allocations.iter().map(|count| sample(COUNTER, &[], count() as f64)).collect();
        families.push(family("process_allocations_total", COUNTER, "Heap allocations.", allocations));
        families
    }
}

fn server_families(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let each = |read: fn(&Server) -> u64| {
        let of = |s: &std::sync::Arc<Server>| {
            sample(GAUGE, &[("virtual_server", &s.id().to_string())], read(s) as f64)
        };
        snapshot.servers.iter().map(of).collect()
    };
    let requests = snapshot.servers.iter().flat_map(|s| requests(s)).collect();
    vec![
        family("requests_total", COUNTER, "MCP requests, by kind and how they ended.", requests),
        family(
            "streams_open",
            GAUGE,
            "GET streams held open.",
            each(|s| s.lasting.stats.streams_open.load(Relaxed)),
        ),
        family("tools", GAUGE, "Tools advertised.", each(|s| s.catalog.tools().len() as u64)),
    ]
}

fn requests(s: &Server) -> Vec<Metric> {
    let id = s.id().to_string();
    let mut samples = Vec::new();
    for (kind, ends) in KINDS.iter().zip(&s.lasting.stats.requests) {
        for (end, n) in ENDS.iter().zip(ends) {
            let n = n.load(Relaxed);
            if n > 0 {
                let labels = [("virtual_server", id.as_str()), ("kind", kind), ("end", end)];
                samples.push(sample(COUNTER, &labels, n as f64));
            }
        }
    }
    samples
}

/// Made when they are asked for.
fn backend_families(snapshot: &Snapshot) -> impl Iterator<Item = MetricFamily> {
    let numbers = BACKENDS.iter().map(|(name, kind, help, read)| {
        let each = snapshot.backends.values();
        let samples = each.map(|b| sample(*kind, &[("backend", b.spec.id.as_str())], read(b) as f64));
        family(name, *kind, help, samples.collect())
    });
    let latency = std::iter::once_with(|| {
        let help = "From a call's arrival to its answer's last byte.";
        let backends = snapshot.backends.values();
        let latency = backends.map(|b| histogram(&b.shared.stats, b.spec.id.as_str())).collect();
        family("backend_call_duration_seconds", MetricType::HISTOGRAM, help, latency)
    });
    numbers.chain(latency)
}

/// Of each backend: name, kind, help, value.
type Row = (&'static str, MetricType, &'static str, fn(&BackendState) -> u64);

const BACKENDS: [Row; 21] = [
    ("backend_connects_total", COUNTER, "Connections opened.", |b| read(&b.shared.stats.connects)),
    ("backend_connect_failures_total", COUNTER, "Connections that failed to open.", |b| {
        read(&b.shared.stats.connect_failures)
    }),
    ("backend_timeouts_total", COUNTER, "Calls cut at their bound.", |b| read(&b.shared.stats.timeouts)),
    ("backend_failures_total", COUNTER, "Calls failed by the backend.", |b| read(&b.shared.stats.failures)),
    ("backend_cancelled_total", COUNTER, "Calls cancelled at the backend.", |b| {
        read(&b.shared.stats.cancelled)
    }),
    ("backend_sessions_opened_total", COUNTER, "Backend sessions opened.", |b| {
        read(&b.shared.stats.sessions_opened)
    }),
    ("backend_sessions_lost_total", COUNTER, "Sessions that the backend forgot.", |b| {
        read(&b.shared.stats.sessions_lost)
    }),
    ("backend_sessions_moved_total", COUNTER, "Sessions whose endpoint went.", |b| {
        read(&b.shared.stats.sessions_moved)
    }),
    ("backend_probes_total", COUNTER, "Looks at the backend.", |b| read(&b.shared.stats.probes)),
    ("backend_probe_failures_total", COUNTER, "Looks that failed.", |b| read(&b.shared.stats.probe_failures)),
    ("backend_up", GAUGE, "1 when the last look at it succeeded.", |b| {
        (b.shared.reach() == Reach::Up).into()
    }),
    ("backend_call_failures_total", COUNTER, "Calls answered with an error of the gateway.", |b| {
        b.shared.stats.call_failures.total()
    }),
    ("backend_shed_total", COUNTER, "Calls refused by the backend's limits.", |b| {
        b.shared.stats.shed.total()
    }),
    ("backend_retries_total", COUNTER, "Calls sent again.", |b| b.shared.stats.retries.total()),
    ("backend_retries_refused_total", COUNTER, "Calls not sent again for lack of budget.", |b| {
        b.shared.stats.retries_refused.total()
    }),
    ("backend_cancels_dropped_total", COUNTER, "Cancellations not sent.", |b| {
        b.shared.stats.cancels_dropped.total()
    }),
    ("backend_connections_open", GAUGE, "Connections to the backend.", |b| b.connections().into()),
    ("backend_calls_in_flight", GAUGE, "Calls that have their turn.", |b| b.slots.in_flight().into()),
    ("backend_endpoints", GAUGE, "Endpoints that take new sessions.", |b| b.endpoints.count().0 as u64),
    ("backend_endpoints_draining", GAUGE, "Endpoints that are about to go.", |b| {
        b.endpoints.count().1 as u64
    }),
    ("backend_calls_waiting", GAUGE, "Calls that wait for their turn.", |b| b.slots.waiting().into()),
];

fn read(a: &AtomicU64) -> u64 {
    a.load(Relaxed)
}

fn histogram(stats: &BackendStats, backend: &str) -> Metric {
    let mut count = 0;
    let mut buckets = Vec::with_capacity(BOUNDS.len());
    for (n, bound) in stats.latency.iter().zip(BOUNDS) {
        count += n.load(Relaxed);
        let mut bucket = Bucket::default();
        bucket.set_cumulative_count(count);
        bucket.set_upper_bound(bound as f64 / 1e6);
        buckets.push(bucket);
    }
    count += stats.latency[BOUNDS.len()].load(Relaxed);
    let mut h = Histogram::default();
    h.set_bucket(buckets);
    h.set_sample_count(count);
    h.set_sample_sum(stats.latency_sum_us.load(Relaxed) as f64 / 1e6);
    let mut m = Metric::from_label(labels(&[("backend", backend)]));
    m.set_histogram(h);
    m
}

fn family(name: &str, kind: MetricType, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    let mut f = MetricFamily::default();
    f.set_name(format!("tidegate_{name}"));
    f.set_help(help.into());
    f.set_field_type(kind);
    f.set_metric(metrics);
    f
}

fn sample(kind: MetricType, with: &[(&str, &str)], value: f64) -> Metric {
    let mut m = Metric::from_label(labels(with));
    if kind == COUNTER {
        let mut c = Counter::default();
        c.set_value(value);
        m.set_counter(c);
    } else {
        let mut g = Gauge::default();
        g.set_value(value);
        m.set_gauge(g);
    }
    m
}

fn labels(with: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut l = LabelPair::default();
        l.set_name((*name).into());
        l.set_value((*value).into());
        l
    };
    with.iter().map(pair).collect()
}

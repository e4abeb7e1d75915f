//! What the control plane counts (docs/kubernetes.md lists it). Levels are read when somebody scrapes.

use std::sync::LazyLock;

use prometheus::{
    Encoder, Histogram, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder, exponential_buckets,
    register_histogram, register_int_counter, register_int_counter_vec,
};
use tidegate_controlplane_api::Severity;

use crate::status::Board;

/// Time to compile a view and to compare it with the table before.
pub static COMPILE_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    let buckets = exponential_buckets(0.001, 2.0, 14).expect("valid bounds");
    register_histogram!("tidegate_controlplane_compile_seconds", "Time to compile a view", buckets)
        .expect("a name used once")
});

/// Tables that were published.
pub static VERSIONS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("tidegate_controlplane_versions_total", "Tables published")
        .expect("a name used once")
});

/// Writes to the API server, by what (`status`, `child`, `event`, `finalizer`, `held`) and result (`ok`, `failed`).
pub static WRITES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "tidegate_controlplane_writes_total",
        "Writes to the API server",
        &["what", "result"]
    )
    .expect("a name used once")
});

/// Interruptions of watches, by resource.
pub static WATCH_ERRORS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "tidegate_controlplane_watch_errors_total",
        "Interruptions of watches",
        &["resource"]
    )
    .expect("a name used once")
});

/// Counts one write.
pub fn wrote(what: &str, ok: bool) {
    WRITES.with_label_values(&[what, if ok { "ok" } else { "failed" }]).inc();
}

/// Everything in the text format of Prometheus.
pub fn scrape(board: &Board) -> String {
    let levels = levels(board);
    let mut families = prometheus::gather();
    families.extend(levels.gather());
    let mut text = Vec::new();
    // Writing into memory fails only for families without metrics.
    if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
        tracing::warn!(%error, "cannot encode the metrics");
    }
    String::from_utf8(text).unwrap_or_default()
}

fn levels(board: &Board) -> Registry {
    let (outcome, nodes) = board.glance();
    let (registry, table) = (Registry::new(), outcome.published.as_ref());
    let connected = nodes.iter().filter(|node| node.connected);
    let errors = |severity| outcome.diagnostics.iter().filter(|d| d.severity == severity).count();
    let levels = [
        ("nodes", "Nodes with an open stream", connected.clone().count()),
        ("nodes_current", "Nodes that serve the newest table", connected.filter(|node| node.current).count()),
        (
            "virtual_servers",
            "Virtual servers in the table",
            table.map_or(0, |t| t.table().virtual_servers().count()),
        ),
        ("backends", "Backends in the table", table.map_or(0, |t| t.table().backends().count())),
        ("children_refused", "Child objects that cannot be written", board.refusals().now().children.len()),
        ("errors", "Errors in manifests and of watches", errors(Severity::Error)),
        ("warnings", "Warnings about manifests", errors(Severity::Warning)),
    ];
    for (name, help, value) in levels {
        let gauge = IntGauge::new(format!("tidegate_controlplane_{name}"), help).expect("a valid name");
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(Box::new(gauge)).expect("a name used once");
    }
    registry
}

//! Of the port that speaks TLS.

use super::{family, sample};
use crate::tls::{FAILURES, TlsStats};
use prometheus::proto::{MetricFamily, MetricType};
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn families(stats: &TlsStats) -> Vec<MetricFamily> {
    use MetricType::{COUNTER, GAUGE};
    let kinds = [("full", &stats.full), ("resumed", &stats.resumed)];
    let handshakes = kinds.map(|(kind, n)| sample(COUNTER, &[("kind", kind)], n.load(Relaxed) as f64));
    let failures = FAILURES.iter().zip(&stats.failures);
    let failures = failures.map(|(reason, n)| sample(COUNTER, &[("reason", reason)], n.total() as f64));
    let until = stats.until.load(Relaxed) as f64;
    let (reloads, failed) = (stats.reloads.load(Relaxed) as f64, stats.reload_failures.load(Relaxed) as f64);
    let one = |kind, value| vec![sample(kind, &[], value)];
    vec![
        family("tls_handshakes_total", COUNTER, "Handshakes with clients, by kind.", handshakes.into()),
        family(
            "tls_handshake_failures_total",
            COUNTER,
            "Handshakes with clients that failed, by reason.",
            failures.collect(),
        ),
        family(
            "tls_certificate_reloads_total",
            COUNTER,
            "Times that another certificate was taken from the files.",
            one(COUNTER, reloads),
        ),
        family(
            "tls_certificate_reload_failures_total",
            COUNTER,
            "Times that the files held what cannot be used.",
            one(COUNTER, failed),
        ),
        family(
            "tls_certificate_expires_seconds",
            GAUGE,
            "When the certificate for clients expires, in seconds since 1970.",
            one(GAUGE, until),
        ),
    ]
}

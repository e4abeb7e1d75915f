//! How backends stand with each virtual server. States are one series per backend, with the state as the value, so that
//! their number does not depend on what happens.

use super::{family, sample};
use crate::snapshot::Snapshot;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tidegate_dataplane_core::breaker::Position;
use tidegate_dataplane_core::health::Health;

const HEALTHS: [Health; 5] =
    [Health::Unknown, Health::Healthy, Health::Degraded, Health::Unhealthy, Health::Unauthenticated];
const POSITIONS: [Position; 3] = [Position::Closed, Position::Open, Position::HalfOpen];

pub(super) fn families(snapshot: &Snapshot) -> Vec<MetricFamily> {
    use MetricType::{COUNTER, GAUGE};
    let mut health = Vec::new();
    let mut breaker = Vec::new();
    let mut refused = Vec::new();
    let mut moves = Vec::new();
    let mut trips = Vec::new();
    for m in snapshot.servers.iter().flat_map(|s| s.members.iter()) {
        let ids = (m.server.to_string(), m.backend.spec.id.as_str());
        let with = [("virtual_server", ids.0.as_str()), ("backend", ids.1)];
        let view = m.standing.view(m.probed);
        health.push(sample(GAUGE, &with, f64::from(view.health as u8)));
        transitions(&mut moves, &with, &m.standing.stats.health, |i| HEALTHS[i].as_str());
        if let Some(b) = view.breaker {
            breaker.push(sample(GAUGE, &with, f64::from(b.position as u8)));
            refused.push(sample(COUNTER, &with, m.standing.stats.refused.total() as f64));
            transitions(&mut trips, &with, &m.standing.stats.breaker, |i| POSITIONS[i].as_str());
        }
    }
    let states = "0 unknown, 1 healthy, 2 degraded, 3 unhealthy, 4 unauthenticated.";
    let positions = "0 closed, 1 open, 2 half-open; backends with a circuit breaker only.";
    vec![
        family("backend_health", GAUGE, states, health),
        family("backend_health_transitions_total", COUNTER, "Changes of health, by the new one.", moves),
        family("circuit_breaker_state", GAUGE, positions, breaker),
        family("circuit_breaker_transitions_total", COUNTER, "Changes of state, by the new one.", trips),
        family(
            "circuit_breaker_refused_total",
            COUNTER,
            "Calls that a breaker did not let through.",
            refused,
        ),
    ]
}

/// One series for each state that was ever entered.
fn transitions(
    out: &mut Vec<Metric>,
    with: &[(&str, &str); 2],
    counts: &[AtomicU64],
    name: impl Fn(usize) -> &'static str,
) {
    for (i, n) in counts.iter().enumerate() {
        let n = n.load(Relaxed);
        if n > 0 {
            let labels = [with[0], with[1], ("to", name(i))];
            out.push(sample(MetricType::COUNTER, &labels, n as f64));
        }
    }
}

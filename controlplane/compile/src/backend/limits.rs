//! `tidegate.dev/max-*`: what one node has open towards a backend at most.

use tidegate_proto::table::Limits;

use crate::annotation::{self, MAX_CONNECTIONS, MAX_PENDING, MAX_REQUESTS};
use crate::report::Report;

pub(super) fn compile(report: &mut Report<'_>) -> Limits {
    let default = Limits::default();
    Limits {
        connections: annotation::count(report, MAX_CONNECTIONS, 1).unwrap_or(default.connections),
        requests: annotation::count(report, MAX_REQUESTS, 1).unwrap_or(default.requests),
        pending: annotation::count(report, MAX_PENDING, 0).unwrap_or(default.pending),
    }
}

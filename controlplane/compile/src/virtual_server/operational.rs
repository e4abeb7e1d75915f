//! `spec.config.operational`: timeouts, health, breaker, partial failures, with the defaults of spec 5.8.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_controlplane_api::GoDuration;
use tidegate_controlplane_api::types::{
    CircuitBreaker, FailureHandling, LogLevel, Operational, PartialFailureMode,
};
use tidegate_proto::table::{BackendId, BreakerPolicy, HealthPolicy, Member, PartialFailure, Timeouts};

use super::tuning;
use crate::report::Report;

/// Bound of a call where nothing else is said.
pub(crate) const CALL_TIMEOUT: GoDuration = GoDuration::from_secs(30);
const HEALTH_INTERVAL: GoDuration = GoDuration::from_secs(30);
const HEALTH_TIMEOUT: GoDuration = GoDuration::from_secs(10);
const UNHEALTHY_THRESHOLD: u32 = 3;
/// Between two reports where nothing else is said.
pub(crate) const STATUS_INTERVAL: GoDuration = GoDuration::from_secs(30);
const BREAKER_THRESHOLD: u32 = 5;
const BREAKER_TIMEOUT: GoDuration = GoDuration::from_secs(60);
const BREAKER_TIMEOUT_MIN: GoDuration = GoDuration::from_secs(1);

const FAILURE: &str = "spec.config.operational.failureHandling";
const TIMEOUTS: &str = "spec.config.operational.timeouts";

/// The operational settings with their defaults.
pub(super) struct Policies {
    pub(super) call_timeout: Duration,
    pub(super) per_workload: BTreeMap<String, Duration>,
    pub(super) health: HealthPolicy,
    pub(super) breaker: Option<BreakerPolicy>,
    pub(super) partial_failure: PartialFailure,
    pub(super) status_interval: Duration,
    pub(super) timeouts: Timeouts,
    pub(super) retry_idempotent: bool,
    pub(super) request_log: bool,
}

impl Policies {
    /// A member with the bound of its calls.
    pub(super) fn member(&self, backend: BackendId, workload: &str) -> Member {
        let call_timeout = self.per_workload.get(workload).copied().unwrap_or(self.call_timeout);
        Member { backend, workload: workload.to_owned(), call_timeout }
    }
}

/// Probing where nothing else is said.
pub(crate) fn default_health() -> HealthPolicy {
    HealthPolicy {
        interval: HEALTH_INTERVAL.0,
        timeout: HEALTH_TIMEOUT.0,
        unhealthy_threshold: UNHEALTHY_THRESHOLD,
        probe_remote: false,
    }
}

pub(super) fn compile(report: &mut Report<'_>, spec: Option<&Operational>) -> Policies {
    let (no_operational, no_failure_handling) = (Operational::default(), FailureHandling::default());
    let spec = spec.unwrap_or(&no_operational);
    let failure = spec.failure_handling.as_ref().unwrap_or(&no_failure_handling);
    let (call_timeout, per_workload) = timeouts(report, spec);
    Policies {
        call_timeout,
        per_workload,
        health: health(report, failure),
        breaker: breaker(report, failure.circuit_breaker.as_ref()),
        partial_failure: match failure.partial_failure_mode {
            Some(PartialFailureMode::Fail) => PartialFailure::Fail,
            // absent: as every deployment in practice behaves (decision 3)
            Some(PartialFailureMode::BestEffort) | None => PartialFailure::BestEffort,
        },
        status_interval: nonzero(failure.status_reporting_interval).unwrap_or(STATUS_INTERVAL).0,
        timeouts: tuning::timeouts(report),
        retry_idempotent: tuning::retry_idempotent(report),
        request_log: spec.log_level == Some(LogLevel::Debug),
    }
}

fn timeouts(report: &mut Report<'_>, spec: &Operational) -> (Duration, BTreeMap<String, Duration>) {
    let Some(timeouts) = &spec.timeouts else { return (CALL_TIMEOUT.0, BTreeMap::new()) };
    let mut positive = |name: &str, field: String, duration: GoDuration| {
        if duration.is_zero() {
            let message = format!("operational.timeouts.{name} must be positive");
            report.invalid("bad-duration", &field, message, "write a duration above zero, such as 30s");
        }
        duration.0
    };
    let default =
        positive("default", format!("{TIMEOUTS}.default"), timeouts.default.unwrap_or(CALL_TIMEOUT));
    let per_workload = timeouts.per_workload.iter().map(|(name, duration)| {
        let field = format!("{TIMEOUTS}.perWorkload[{name}]");
        (name.clone(), positive(&format!("perWorkload.{name}"), field, *duration))
    });
    (default, per_workload.collect())
}

fn health(report: &mut Report<'_>, spec: &FailureHandling) -> HealthPolicy {
    let interval = spec.health_check_interval.unwrap_or(HEALTH_INTERVAL);
    let timeout = nonzero(spec.health_check_timeout).unwrap_or(HEALTH_TIMEOUT);
    if interval.is_zero() {
        let message = "healthCheckInterval must be positive";
        let remedy = "write a duration above zero, such as 30s";
        report.invalid("bad-duration", &format!("{FAILURE}.healthCheckInterval"), message, remedy);
    } else if timeout >= interval {
        let message = format!(
            "healthCheckTimeout ({timeout}) must be less than healthCheckInterval ({interval}) to prevent checks \
             from queuing up"
        );
        let written =
            if spec.health_check_timeout.is_some() { "healthCheckTimeout" } else { "healthCheckInterval" };
        let remedy = "raise the interval or lower the timeout";
        report.invalid("bad-duration", &format!("{FAILURE}.{written}"), message, remedy);
    }
    HealthPolicy {
        interval: interval.0,
        timeout: timeout.0,
        unhealthy_threshold: threshold(report, spec.unhealthy_threshold),
        probe_remote: false,
    }
}

fn threshold(report: &mut Report<'_>, written: Option<i64>) -> u32 {
    let threshold = written.map_or(Ok(UNHEALTHY_THRESHOLD), u32::try_from);
    match threshold {
        Ok(threshold) if threshold > 0 => threshold,
        _ => {
            let remedy = "write a whole number from 1, such as 3";
            let field = format!("{FAILURE}.unhealthyThreshold");
            report.invalid("bad-value", &field, "unhealthyThreshold must be positive", remedy);
            UNHEALTHY_THRESHOLD
        }
    }
}

fn breaker(report: &mut Report<'_>, spec: Option<&CircuitBreaker>) -> Option<BreakerPolicy> {
    let per_tool = tuning::breaker_per_tool(report, spec.is_some_and(|spec| spec.enabled));
    let spec = spec?;
    let timeout = spec.timeout.unwrap_or(BREAKER_TIMEOUT);
    if timeout < BREAKER_TIMEOUT_MIN {
        let message = format!("circuitBreaker.timeout must be >= 1s to prevent thrashing, got {timeout}");
        let field = format!("{FAILURE}.circuitBreaker.timeout");
        report.invalid("bad-duration", &field, message, "write a duration of at least 1s, such as 60s");
    }
    spec.enabled.then(|| BreakerPolicy {
        failure_threshold: spec.failure_threshold.map_or(BREAKER_THRESHOLD, std::num::NonZeroU32::get),
        open_for: timeout.0,
        per_tool,
    })
}

/// Zero means the default where the product reads it so.
fn nonzero(duration: Option<GoDuration>) -> Option<GoDuration> {
    duration.filter(|duration| !duration.is_zero())
}

//! The result of a run, for people and for scripts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::cpu::Time;
use crate::tally::{Class, Second, Tally};

/// What the run showed.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Right answers in the measured time.
    pub(crate) requests: u64,
    /// Failures of any kind, also before and after the measured time.
    pub(crate) failed: u64,
    /// Failures by class.
    failures: BTreeMap<Class, u64>,
    /// The first failure of each class.
    examples: BTreeMap<Class, String>,
    /// Seconds.
    measured_s: f64,
    per_second: f64,
    latency_us: Latency,
    sessions_opened: u64,
    sessions_dropped: u64,
    connections_opened: u64,
    /// Mean size of a right answer's body.
    bytes_per_request: f64,
    series: Vec<InSecond>,
    /// Microseconds of CPU per request by process.
    cpu_us_per_request: BTreeMap<u32, f64>,
    /// What of these was spent in the kernel.
    kernel_us_per_request: BTreeMap<u32, f64>,
}

/// One second of the measured time.
#[derive(Debug, Serialize)]
struct InSecond {
    requests: u64,
    failed: u64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

#[derive(Debug, Serialize)]
struct Latency {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
    /// Percentile and latency, for a plot of the whole distribution.
    percentiles: Vec<(f64, f64)>,
}

/// Percentiles of the distribution, denser towards its tail.
const PERCENTILES: [f64; 14] =
    [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 100.0];

impl Report {
    pub(crate) fn new(tally: Tally, measured: Duration, cpu: &[(u32, Time)]) -> Self {
        let us = |nanos: u64| nanos as f64 / 1000.0;
        let at = |quantile| us(tally.latency.value_at_quantile(quantile));
        let per_request = |of: fn(Time) -> Duration| {
            let each = |time| of(time).as_secs_f64() * 1e6 / tally.requests.max(1) as f64;
            cpu.iter().map(|(pid, time)| (*pid, each(*time))).collect()
        };
        Self {
            requests: tally.requests,
            failed: tally.failures.values().sum(),
            measured_s: measured.as_secs_f64(),
            per_second: tally.requests as f64 / measured.as_secs_f64(),
            latency_us: Latency {
                mean: tally.latency.mean() / 1000.0,
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: us(tally.latency.max()),
                percentiles: PERCENTILES.iter().map(|&p| (p, at(p / 100.0))).collect(),
            },
            bytes_per_request: tally.bytes as f64 / tally.requests.max(1) as f64,
            series: tally.seconds.iter().map(InSecond::of).collect(),
            sessions_opened: tally.sessions_opened,
            sessions_dropped: tally.failures.get(&Class::DroppedSession).copied().unwrap_or(0),
            connections_opened: tally.connections_opened,
            cpu_us_per_request: per_request(Time::total),
            kernel_us_per_request: per_request(|time| time.kernel),
            failures: tally.failures,
            examples: tally.examples,
        }
    }
}

impl InSecond {
    fn of(second: &Second) -> Self {
        let us = |nanos: u64| nanos as f64 / 1000.0;
        Self {
            requests: second.latency.len(),
            failed: second.failed,
            p50_us: us(second.latency.value_at_quantile(0.5)),
            p99_us: us(second.latency.value_at_quantile(0.99)),
            max_us: us(second.latency.max()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { mean, p50, p90, p99, p999, max, .. } = self.latency_us;
        writeln!(
            f,
            "requests     {} answered, {} failed in {:.2} s ({:.0}/s)",
            self.requests, self.failed, self.measured_s, self.per_second
        )?;
        writeln!(
            f,
            "latency us   mean {mean:.0}  p50 {p50:.0}  p90 {p90:.0}  p99 {p99:.0}  p99.9 {p999:.0}  max {max:.0}"
        )?;
        writeln!(f, "sessions     {} opened, {} dropped", self.sessions_opened, self.sessions_dropped)?;
        writeln!(f, "connections  {} opened", self.connections_opened)?;
        for ((pid, us), kernel) in self.cpu_us_per_request.iter().zip(self.kernel_us_per_request.values()) {
            writeln!(f, "cpu          {us:.2} us per request of process {pid}, {kernel:.2} in the kernel")?;
        }
        for (class, n) in &self.failures {
            let example = self.examples.get(class).map_or("", String::as_str);
            writeln!(f, "failure      {class:?}: {n}, e.g. {example}")?;
        }
        Ok(())
    }
}

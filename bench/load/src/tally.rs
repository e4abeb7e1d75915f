//! What was counted: requests, failures by class, latencies.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::wire::Answer;

/// Longest latency that is told apart, in nanoseconds: two minutes.
const MAX_NANOS: u64 = 120_000_000_000;
/// Characters of an example that are kept.
const EXAMPLE: usize = 300;

/// Seconds that are told apart: a day.
const LONGEST: usize = 86_400;

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// No connection.
    Connect,
    /// The connection ended before the answer was whole.
    ConnectionClosed,
    /// No whole answer in time.
    Timeout,
    /// Another HTTP status than the right one.
    HttpStatus,
    /// 404 on a session.
    DroppedSession,
    /// A JSON-RPC error.
    RpcError,
    /// A result with `isError`.
    ToolError,
    /// An answer to something else, or not what was expected.
    WrongAnswer,
}

/// One failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    example: String,
}

/// The counts of one thread.
pub(crate) struct Tally {
    /// Requests that were answered rightly while it was measured.
    pub(crate) requests: u64,
    /// In nanoseconds, of those requests.
    pub(crate) latency: Histogram<u64>,
    /// All failures, also outside the measured time.
    pub(crate) failures: BTreeMap<Class, u64>,
    /// The first failure of each class.
    pub(crate) examples: BTreeMap<Class, String>,
    pub(crate) sessions_opened: u64,
    pub(crate) connections_opened: u64,
    /// Bytes of the bodies of right answers.
    pub(crate) bytes: u64,
    /// The measured time, second by second.
    pub(crate) seconds: Vec<Second>,
}

/// One second of the measured time.
#[derive(Debug)]
pub(crate) struct Second {
    pub(crate) failed: u64,
    /// In nanoseconds, of the right answers that came in this second.
    pub(crate) latency: Histogram<u64>,
}

impl Failure {
    pub(crate) fn new(class: Class, example: impl Into<Cow<'static, str>>) -> Self {
        Self { class, example: example.into().chars().take(EXAMPLE).collect() }
    }

    /// An answer with the wrong status.
    pub(crate) fn status(answer: &Answer<'_>) -> Self {
        let class = if answer.status == 404 { Class::DroppedSession } else { Class::HttpStatus };
        Self::new(class, format!("{} {}", answer.status, String::from_utf8_lossy(answer.body)))
    }

    /// An error of the connection.
    pub(crate) fn io(error: &std::io::Error) -> Self {
        Self::new(Class::ConnectionClosed, error.to_string())
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            requests: 0,
            latency: histogram(3),
            failures: BTreeMap::new(),
            examples: BTreeMap::new(),
            sessions_opened: 0,
            connections_opened: 0,
            bytes: 0,
            seconds: Vec::new(),
        }
    }

    /// A right answer in this second of the measured time.
    pub(crate) fn answered(&mut self, latency: Duration, second: u64, bytes: u64) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.requests += 1;
        self.bytes += bytes;
        self.latency.saturating_record(nanos);
        self.second(second).latency.saturating_record(nanos);
    }

    /// A failure in this second of the measured time, or outside of it.
    pub(crate) fn failed_in(&mut self, second: Option<u64>, failure: Failure) {
        if let Some(second) = second {
            self.second(second).failed += 1;
        }
        self.failed(failure);
    }

    /// A failure.
    pub(crate) fn failed(&mut self, failure: Failure) {
        *self.failures.entry(failure.class).or_default() += 1;
        self.examples.entry(failure.class).or_insert(failure.example);
    }

    /// Adds the counts of another thread.
    pub(crate) fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        for (class, n) in other.failures {
            *self.failures.entry(class).or_default() += n;
        }
        for (class, example) in other.examples {
            self.examples.entry(class).or_insert(example);
        }
        self.sessions_opened += other.sessions_opened;
        self.connections_opened += other.connections_opened;
        self.bytes += other.bytes;
        for (n, second) in (0..).zip(other.seconds) {
            let mine = self.second(n);
            mine.failed += second.failed;
            mine.latency.add(&second.latency).expect("all histograms have the same bounds");
        }
    }

    fn second(&mut self, n: u64) -> &mut Second {
        let n = usize::try_from(n).unwrap_or(LONGEST).min(LONGEST);
        while self.seconds.len() <= n {
            self.seconds.push(Second { failed: 0, latency: histogram(2) });
        }
        &mut self.seconds[n]
    }
}

/// Latencies in nanoseconds, with this many digits.
fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_NANOS, digits).expect("the bounds are constants in order")
}

//! What a series of probes says of a backend, with the thresholds of one virtual server (spec 5.2). Pure.

use std::fmt::Write;

/// A backend's health towards one virtual server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not probed, or not decided yet.
    #[default]
    Unknown,
    /// It answers.
    Healthy,
    /// It answers slowly, or has just come back.
    Degraded,
    /// It failed as often in a row as the threshold says.
    Unhealthy,
    /// It wants a credential, and none is configured.
    Unauthenticated,
}

/// The outcome of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It answered.
    Success {
        /// It took longer than 5 s (spec 5.1).
        slow: bool,
    },
    /// It did not.
    Failure(Cause),
}

/// Why a probe failed: a category, never a backend's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// HTTP 401 or 403, and no credential is configured.
    Authentication,
    /// No answer within the bound of a probe.
    Timeout,
    /// No connection, or it broke.
    Connection,
    /// HTTP 5xx.
    Unavailable,
    /// There is nothing to connect to: a fact of the table, not a finding.
    NoEndpoint,
    /// Anything else: not MCP.
    Other,
}

/// The state of one backend in one virtual server.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    health: Health,
    /// Consecutive failures.
    failures: u32,
    /// Set by the success that ended a row of failures: how many those were.
    recovering_from: u32,
    cause: Option<Cause>,
}

impl Sample {
    /// A backend that wants a credential (HTTP 401 or 403): alive if it is one that is sent credentials.
    pub fn challenged(credential_configured: bool) -> Self {
        if credential_configured {
            Self::Success { slow: false }
        } else {
            Self::Failure(Cause::Authentication)
        }
    }
}

impl Tracker {
    /// Takes a probe's outcome; the new health when it changed.
    pub fn observe(&mut self, sample: Sample, unhealthy_threshold: u32) -> Option<Health> {
        let before = self.health;
        match sample {
            Sample::Success { slow } => self.succeeded(slow),
            Sample::Failure(cause) => self.failed(cause, unhealthy_threshold),
        }
        (self.health != before).then_some(self.health)
    }

    fn succeeded(&mut self, slow: bool) {
        // what never worked has nothing to recover from, nor has what was not there
        let absent = self.health == Health::Unknown || self.cause == Some(Cause::NoEndpoint);
        let comes_back = self.failures > 0 && !absent;
        self.recovering_from = if comes_back { self.failures } else { 0 };
        self.health = if slow || comes_back { Health::Degraded } else { Health::Healthy };
        self.failures = 0;
        self.cause = None;
    }

    fn failed(&mut self, cause: Cause, unhealthy_threshold: u32) {
        self.failures = self.failures.saturating_add(1);
        self.recovering_from = 0;
        self.cause = Some(cause);
        // no doubt that a second look could remove; but who was never seen may just not have started yet
        let gone = cause == Cause::NoEndpoint && self.health != Health::Unknown;
        if gone || self.failures >= unhealthy_threshold {
            self.health = match cause {
                Cause::Authentication => Health::Unauthenticated,
                _ => Health::Unhealthy,
            };
        }
    }

    /// The health now.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// For the status, in the words of spec 5.2.
    pub fn message(&self) -> String {
        let mut text = match (self.cause, self.health) {
            (_, Health::Unauthenticated) => {
                "Authentication misconfigured (backend requires auth, none configured)".to_owned()
            }
            (Some(cause), _) => cause.as_str().to_owned(),
            (None, Health::Degraded) if self.recovering_from > 0 => {
                format!("Recovering from {} failures", self.recovering_from)
            }
            (None, Health::Degraded) => "Degraded performance".to_owned(),
            (None, Health::Healthy) => "Healthy".to_owned(),
            (None, Health::Unhealthy) => "Unhealthy".to_owned(),
            (None, Health::Unknown) => "Unknown".to_owned(),
        };
        if self.failures > 1 {
            let _ = write!(text, " (failures: {})", self.failures);
        }
        text
    }
}

impl Health {
    /// In the words of `/status` (spec 3.3).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// Are its tools advertised, and its session opened with the client's (spec 5.5)?
    pub fn is_used(self) -> bool {
        !matches!(self, Self::Unhealthy | Self::Unauthenticated)
    }
}

impl Cause {
    /// In the words of spec 5.2.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "Authentication failed",
            Self::Timeout => "Health check timed out",
            Self::Connection => "Connection failed",
            Self::Unavailable => "Backend unavailable",
            Self::NoEndpoint => "No endpoint is ready",
            Self::Other => "Health check failed",
        }
    }
}

#[cfg(test)]
mod tests;

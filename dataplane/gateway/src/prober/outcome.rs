//! What a look at a backend means for the virtual servers that use it.

use super::plan::Plan;
use crate::admission::ProbeTicket;
use crate::client::ExchangeError;
use crate::endpoints::NoPlace;
use crate::snapshot::Member;
use crate::upstream::ConnectError;
use std::sync::Arc;
use std::time::Duration;
use tidegate_dataplane_core::breaker::Verdict;
use tidegate_dataplane_core::health::{Cause, Health, Sample};
use tidegate_proto::table::OutgoingAuth;

/// An answer that took longer is that of a degraded backend (spec 5.1).
const SLOW: Duration = Duration::from_secs(5);

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Answer,
    /// HTTP 401 or 403.
    Challenge,
    /// HTTP 429: alive, and asked too often.
    Busy,
    Failure(Cause),
}

impl Found {
    pub(super) fn of(e: &ExchangeError) -> Self {
        match e {
            ExchangeError::Status(401 | 403) => Self::Challenge,
            ExchangeError::Status(429) => Self::Busy,
            ExchangeError::Status(500..=599) => Self::Failure(Cause::Unavailable),
            // which of the two bounds passes first is chance
            ExchangeError::Timeout(_) | ExchangeError::Connect(ConnectError::Timeout(_)) => {
                Self::Failure(Cause::Timeout)
            }
            ExchangeError::Place(NoPlace::Empty) => Self::Failure(Cause::NoEndpoint),
            ExchangeError::Place(NoPlace::Gone)
            | ExchangeError::Connect(_)
            | ExchangeError::Io(_)
            | ExchangeError::Ended => Self::Failure(Cause::Connection),
            ExchangeError::Http(_)
            | ExchangeError::TooLarge
            | ExchangeError::Status(_)
            | ExchangeError::Protocol(_) => Self::Failure(Cause::Other),
        }
    }

    /// For people who see the status: a category, never a backend's own words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Answer => "",
            Self::Challenge => Cause::Authentication.as_str(),
            Self::Busy => "Too many requests",
            Self::Failure(cause) => cause.as_str(),
        }
    }

    /// For a virtual server that waits for no longer than `timeout`.
    fn sample(self, took: Duration, timeout: Duration, credential: bool) -> Sample {
        match self {
            Self::Failure(cause) => Sample::Failure(cause),
            _ if took > timeout => Sample::Failure(Cause::Timeout),
            Self::Challenge => Sample::challenged(credential),
            Self::Busy => Sample::Success { slow: true },
            Self::Answer => Sample::Success { slow: took > SLOW },
        }
    }
}

/// Leave from the breakers of all who are to learn of the next look: where one is open, that look may be the trial.
pub(super) fn ask_breakers(users: &[Arc<Member>], now: Duration) -> Vec<Option<ProbeTicket>> {
    let ask = |m: &Arc<Member>| {
        let trial = m.standing.trial_at().is_some_and(|at| at <= now);
        if !m.probed || !(trial || m.standing.due() <= now) {
            return None;
        }
        ProbeTicket::ask(m, now)
    };
    users.iter().map(ask).collect()
}

/// Tells everybody; true when somebody's list changes with it.
pub(super) fn tell(
    users: &[Arc<Member>],
    asked: Vec<Option<ProbeTicket>>,
    found: Found,
    took: Duration,
    now: Duration,
    plan: &mut Plan,
) -> bool {
    let mut changed = false;
    for (m, ticket) in users.iter().zip(asked).filter(|(m, _)| m.probed) {
        let credential = !matches!(m.backend.spec.outgoing_auth, OutgoingAuth::Unauthenticated);
        let sample = found.sample(took, m.health.timeout, credential);
        let interval = plan.jitter(m.health.interval);
        let before = m.standing.health();
        if let Some(to) = m.standing.probed(sample, now, interval, m.health.unhealthy_threshold) {
            log(m, before, to);
            changed = true;
        }
        if let Some(ticket) = ticket {
            ticket.settle(match sample {
                Sample::Failure(Cause::Connection | Cause::Timeout | Cause::Unavailable) => Verdict::Failure,
                // something answered, but hardly the backend; or there was nobody to ask
                Sample::Failure(Cause::Other | Cause::NoEndpoint) => Verdict::None,
                Sample::Failure(Cause::Authentication) | Sample::Success { .. } => Verdict::Success,
            });
        }
    }
    changed
}

fn log(m: &Member, from: Health, to: Health) {
    let (server, backend, why) = (&m.server, &m.backend.spec.id, m.standing.view(true).message);
    let (from, to) = (from.as_str(), to.as_str());
    match to {
        "healthy" | "degraded" => {
            tracing::info!(%server, %backend, from, to, why, "backend health changed")
        }
        _ => tracing::warn!(%server, %backend, from, to, why, "backend health changed"),
    }
}

/// The whole chain of causes, for the log.
pub(super) fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(s) = source {
        text.push_str(": ");
        text.push_str(&s.to_string());
        source = s.source();
    }
    text
}

//! Saying a call again: when the backend never accepted it, or when its tool may be called twice and the operator
//! allows that. Within the call's bound, and within the backend's budget of repetitions.

use super::answer::Ended;
use super::call::Call;
use super::request::Conn;
use crate::io::Io;
use crate::metrics::inc;
use crate::session::lock;
use std::time::Duration;

/// How long a backend that is in trouble is left alone when it does not say.
const PAUSE: Duration = Duration::from_millis(100);

/// What was tried already.
#[derive(Default)]
pub(super) struct Again {
    session: bool,
    call: bool,
}

impl Conn<'_> {
    /// Makes the call ready to be sent once more; else how it ended.
    pub(super) async fn again<C: Io>(
        &mut self,
        io: &mut C,
        call: &mut Call,
        ended: Ended,
        again: &mut Again,
    ) -> Option<Ended> {
        match ended {
            Ended::SessionLost => {
                self.lose_session(call);
                if std::mem::replace(&mut again.session, true) || !self.may_repeat(call) {
                    return Some(ended);
                }
            }
            Ended::Broken(_) | Ended::Unconnected(_) | Ended::Refused { status: 502..=504, .. } => {
                let pause = match ended {
                    Ended::Refused { retry_after: Some(after), .. } => after,
                    _ => PAUSE,
                };
                let repeatable = call.record.server.spec.retry_idempotent
                    && call.record.server.catalog.at(call.position).is_some_and(|t| t.repeatable);
                if !repeatable
                    || pause >= self.deadline.left()
                    || std::mem::replace(&mut again.call, true)
                    || !self.may_repeat(call)
                {
                    return Some(ended);
                }
                let wait = async {
                    tokio::time::sleep(pause).await;
                    Ok(())
                };
                if let Err(over) = self.unless_over(io, wait).await {
                    return Some(over);
                }
            }
            other => return Some(other),
        }
        call.prepared = false;
        call.stream = None;
        None
    }

    /// The backend answered 404: it does not know its session, and has not accepted the call.
    fn lose_session(&self, call: &Call) {
        let b = &call.admitted.member.backend;
        inc(&b.shared.stats.sessions_lost);
        let lost = call.session.binding(b.hash).map(|binding| binding.session.clone());
        if let Some(lost) = lost {
            call.session.lose(b.hash, &lost);
        }
        tracing::debug!(backend = %b.spec.id, "backend session lost");
    }

    fn may_repeat(&self, call: &Call) -> bool {
        let shared = &call.admitted.member.backend.shared;
        let granted =
            call.kept.is_some() && lock(&shared.budget).take(self.site.gw.clock.now(), shared.stats.calls());
        inc(if granted { &shared.stats.retries } else { &shared.stats.retries_refused });
        granted
    }
}

//! Saying a call again: when the backend never accepted it, or when its tool may be called twice and the operator
//! allows that. Within the call's bound, and the latter within the backend's budget of repetitions.

use super::answer::Ended;
use super::call::Call;
use super::request::Conn;
use crate::endpoints::NoPlace;
use crate::io::Io;
use crate::metrics::inc;
use crate::session::lock;
use std::time::Duration;

/// How long a backend that is in trouble is left alone when it does not say, and for how long at most: who asks for more
/// time is told to the client.
const PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);

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
                lose_session(call);
                if std::mem::replace(&mut again.session, true) || call.kept.is_none() {
                    return Some(ended);
                }
            }
            Ended::Unplaced(NoPlace::Gone) => {
                // nothing was sent, and each time another endpoint has gone: no need to count
                if call.kept.is_none() {
                    return Some(ended);
                }
                leave_endpoint(call);
            }
            Ended::Broken(_) | Ended::Unconnected(_) | Ended::Refused { status: 502..=504, .. } => {
                let pause = match ended {
                    Ended::Refused { retry_after: Some(after), .. } => after,
                    _ => PAUSE,
                };
                let in_time = pause <= MAX_PAUSE && pause < self.deadline.left();
                if !in_time || !repeatable(call) || std::mem::replace(&mut again.call, true) {
                    return Some(ended);
                }
                if !self.budgeted(call) {
                    return Some(ended);
                }
                if let Err(over) = self.pause(io, call, &ended, pause).await {
                    return Some(over);
                }
            }
            other => return Some(other),
        }
        if let Some(count) = call.admitted.member.backend.shared.stats.retries.add() {
            tracing::info!(backend = %call.admitted.member.backend.spec.id, count, "calls sent again");
        }
        call.prepared = false;
        call.stream = None;
        None
    }

    /// Settles the failure, and leaves the backend alone for a while: neither a turn nor a trial is held meanwhile.
    async fn pause<C: Io>(
        &mut self,
        io: &mut C,
        call: &mut Call,
        ended: &Ended,
        pause: Duration,
    ) -> Result<(), Ended> {
        let (verdict, whose) = ended.verdict();
        call.admitted.settle(verdict, whose);
        call.admitted.release_slot();
        let wait = async {
            tokio::time::sleep(pause).await;
            Ok(())
        };
        self.unless_over(io, wait).await?;
        call.admitted = call.admitted.renewed(self.site.gw.clock.now()).map_err(Ended::Fault)?;
        Ok(())
    }

    fn budgeted(&self, call: &Call) -> bool {
        let b = &call.admitted.member.backend;
        let stats = &b.shared.stats;
        let granted = lock(&b.shared.budget).take(self.site.gw.clock.now(), stats.calls());
        if !granted && let Some(count) = stats.retries_refused.add() {
            tracing::warn!(backend = %b.spec.id, count, "calls not sent again: no budget left");
        }
        granted
    }
}

/// Does the operator allow it, and the tool?
fn repeatable(call: &Call) -> bool {
    let server = &call.record.server;
    call.kept.is_some()
        && server.spec.retry_idempotent
        && server.catalog.at(call.position).is_some_and(|t| t.repeatable)
}

/// The endpoint has gone, and with it the session that was there. Who has no session there just goes elsewhere.
fn leave_endpoint(call: &Call) {
    let b = &call.admitted.member.backend;
    if call.session.binding(b.hash).is_some_and(|bound| !bound.session.is_empty()) {
        inc(&b.shared.stats.sessions_moved);
        call.session.lose(b.hash, call.generation);
        tracing::debug!(backend = %b.spec.id, "endpoint of a session gone");
    }
}

/// The backend answered 404: it does not know its session, and has not accepted the call.
fn lose_session(call: &Call) {
    let b = &call.admitted.member.backend;
    inc(&b.shared.stats.sessions_lost);
    call.session.lose(b.hash, call.generation);
    tracing::debug!(backend = %b.spec.id, "backend session lost");
}

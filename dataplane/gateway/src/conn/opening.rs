//! Opening the backend sessions of a new client session, all at once, and waiting for none that is slower than usual.

use crate::backend::Reach;
use crate::client::{self, Link, Opened};
use crate::session::Session;
use crate::snapshot::{Member, Server};
use crate::state::Gateway;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tokio::task::JoinHandle;

/// Most backend sessions that `initialize` opens: about as many as fit into a token.
const AT_ONCE: usize = 48;

/// A backend is waited for this many times as long as its last probe took, and at least so long.
const PATIENCE: u32 = 4;
const PATIENCE_MIN: Duration = Duration::from_millis(50);

/// Sessions on their way.
pub(super) struct Opening {
    pending: VecDeque<(tokio::time::Instant, Arc<Member>, JoinHandle<Option<Opened>>)>,
    gw: Arc<Gateway>,
}

impl Opening {
    /// Starts with the members that are advertised, answered last time, and whose breaker is closed.
    pub(super) fn start(gw: &Arc<Gateway>, server: &Server, version: ProtocolVersion, info: &[u8]) -> Self {
        let now = tokio::time::Instant::now();
        let usable = server.members.iter().filter(|m| {
            let shared = &m.backend.shared;
            shared.reach() == Reach::Up && !shared.suspect() && !m.standing.hidden(m.probed)
        });
        let open = |m: &Arc<Member>| {
            let usual = Duration::from_micros(m.backend.shared.took_us.load(Relaxed));
            let patience = (usual * PATIENCE).clamp(PATIENCE_MIN, gw.options.initialize).min(m.call_timeout);
            (now + patience, m.clone(), tokio::spawn(open(gw.clone(), m.clone(), version, info.into())))
        };
        Self { pending: usable.take(AT_ONCE).map(open).collect(), gw: gw.clone() }
    }

    /// Those that are open, once all are or their time is up. Who is late is not waited for by the next session either,
    /// until it answers something.
    pub(super) async fn ready(&mut self) -> Vec<Opened> {
        let mut ready = Vec::with_capacity(self.pending.len());
        let mut late = VecDeque::new();
        while let Some((until, member, mut task)) = self.pending.pop_front() {
            match tokio::time::timeout_at(until, &mut task).await {
                Ok(Ok(opened)) => ready.extend(opened),
                Ok(Err(e)) => tracing::error!(error = %e, "opening a backend session panicked"),
                Err(_) => {
                    tracing::debug!(backend = %member.backend.spec.id, "session not waited for");
                    member.backend.shared.set_suspect(true);
                    member.backend.shared.hint.notify_one();
                    late.push_back((until, member, task));
                }
            }
        }
        self.pending = late;
        ready
    }

    /// Lets the late ones join the session when they are open; ends them if it is over by then.
    pub(super) fn bind_late(self, session: &Arc<Session>) {
        for (_, member, task) in self.pending {
            let (gw, session) = (self.gw.clone(), session.clone());
            tokio::spawn(async move {
                let Ok(Some(Opened { binding, stay, .. })) = task.await else { return };
                let taken = session.binding(binding.backend).is_some();
                if !taken && !session.ended() {
                    session.bind(binding, stay);
                    return;
                }
                client::delete(&gw, &member.backend, Link::to(&binding), gw.options.initialize).await;
            });
        }
    }
}

async fn open(gw: Arc<Gateway>, m: Arc<Member>, version: ProtocolVersion, info: Box<[u8]>) -> Option<Opened> {
    let own = m.backend.own.try_acquire();
    if own.is_err() {
        // as many are being opened already: this one is opened at its first call
        return None;
    }
    match client::initialize(&gw, &m.backend, version, &info, m.call_timeout).await {
        Ok(opened) => Some(opened),
        Err(e) => {
            m.backend.shared.set_suspect(true);
            tracing::debug!(backend = %m.backend.spec.id, error = %e, "session not opened, tried again at the first call");
            None
        }
    }
}

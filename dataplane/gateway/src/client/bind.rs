//! The session of a client's session at one backend.

use super::{ExchangeError, Link, delete, initialize};
use crate::session::Session;
use crate::snapshot::Member;
use crate::state::Gateway;
use std::sync::Arc;
use std::time::Duration;
use tidegate_dataplane_core::token::Binding;

/// A link, and which of the session's links to that backend it is.
pub(crate) type Bound = (Binding, u32);

/// The session's link to a backend, opened if there is none. Calls that want it at the same time open one between them;
/// one that is being opened is finished also when nobody waits for it any more.
pub(crate) async fn bind(
    gw: &Arc<Gateway>,
    session: &Arc<Session>,
    member: &Arc<Member>,
    limit: Duration,
) -> Result<Bound, ExchangeError> {
    if let Some(open) = present(session, member) {
        return Ok(open);
    }
    let task = tokio::spawn(open(gw.clone(), session.clone(), member.clone(), limit));
    task.await.unwrap_or_else(|e| {
        tracing::error!(error = %e, "opening a backend session panicked");
        Err(ExchangeError::Ended)
    })
}

fn present(session: &Session, member: &Member) -> Option<Bound> {
    session.binding(member.backend.hash).map(|open| (Binding::clone(&open), open.generation()))
}

async fn open(
    gw: Arc<Gateway>,
    session: Arc<Session>,
    member: Arc<Member>,
    limit: Duration,
) -> Result<Bound, ExchangeError> {
    let b = &member.backend;
    let opening = session.opening(b.hash);
    let turn = tokio::time::timeout(limit, opening.lock()).await;
    let _turn = turn.map_err(|_| ExchangeError::Timeout(limit))?;
    if let Some(open) = present(&session, &member) {
        return Ok(open);
    }
    let own = tokio::time::timeout(limit, b.own.acquire()).await;
    let _own = own.map_err(|_| ExchangeError::Timeout(limit))?;
    let content = &session.content;
    let opened = initialize(&gw, b, content.version, &content.client_info, limit).await;
    let opened = opened.inspect_err(|e| {
        tracing::debug!(backend = %b.spec.id, error = %e, "backend session not opened");
    })?;
    if session.ended() {
        delete(&gw, b, Link::to(&opened.binding), limit).await;
        return Err(ExchangeError::Ended);
    }
    let generation = session.bind(opened.binding.clone(), opened.stay);
    Ok((opened.binding, generation))
}

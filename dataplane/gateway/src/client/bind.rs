//! The session of a client's session at one backend.

use super::{ExchangeError, initialize};
use crate::session::Session;
use crate::snapshot::Member;
use crate::state::Gateway;
use std::time::Duration;
use tidegate_dataplane_core::token::Binding;

/// The session's link to a backend, opened if there is none. Calls that want it at the same time open one between them.
pub(crate) async fn bind(
    gw: &Gateway,
    session: &Session,
    member: &Member,
    limit: Duration,
) -> Result<Binding, ExchangeError> {
    let hash = member.backend.hash;
    if let Some(open) = session.binding(hash) {
        return Ok(open.clone());
    }
    let opening = session.opening(hash);
    let _turn = opening.lock().await;
    if let Some(open) = session.binding(hash) {
        return Ok(open.clone());
    }
    let content = &session.content;
    let opened = initialize(gw, &member.backend, content.version, &content.client_info, limit).await;
    match opened {
        Ok(opened) => {
            session.bind(opened.binding.clone());
            Ok(opened.binding)
        }
        Err(e) => {
            tracing::debug!(backend = %member.backend.spec.id, error = %e, "backend session not opened");
            Err(e)
        }
    }
}

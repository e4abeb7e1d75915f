//! The prober's session at its backend: where it is, when it is left, and what is said in it.

use super::{LIMIT, Prober};
use crate::backend::BackendState;
use crate::client::{self, ExchangeError, Link, Opened};
use crate::state::Gateway;
use std::sync::Arc;
use std::time::Duration;
use tidegate_dataplane_core::catalog::Contribution;
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tokio::task::JoinHandle;

/// The prober's session.
pub(super) struct OwnSession {
    pub(super) opened: Opened,
    _listener: Option<Listener>,
}

/// Listens for changes until it is dropped.
struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Prober {
    /// Lists when it is time to, else a ping; opens a session first if there is none.
    pub(super) async fn talk(&mut self, limit: Duration) -> Result<(), ExchangeError> {
        if self.misplaced() {
            self.leave_session();
        }
        if let Some(session) = &self.session {
            let list = self.plan.list_due(self.backend.shared.contribution.load().is_some());
            match self.ask(&session.opened, list, limit).await {
                // it does not know the session: it was restarted, which is no failure
                Err(ExchangeError::Status(s @ 400..=499)) if !matches!(s, 401 | 403 | 408 | 429) => {}
                Err(e) if e.is_of_endpoint() && self.pass_over() => {}
                said => return said.map(|list| self.store(list)),
            }
        }
        self.session = None;
        let latest = ProtocolVersion::LATEST;
        let opened = client::initialize(&self.gw, &self.backend, latest, b"", limit).await?;
        let listener = opened.announces.then(|| self.listen(&opened));
        let session = self.session.insert(OwnSession { opened, _listener: listener });
        let link = Link::to(&session.opened.binding);
        let list = read(&self.gw, &self.backend, link, limit).await?;
        self.store(Some(list));
        Ok(())
    }

    /// Has it a session at an endpoint that is gone, or is about to go?
    pub(super) fn misplaced(&self) -> bool {
        let Some(session) = &self.session else { return false };
        self.backend.endpoints.to_be_left(session.opened.stay.endpoint(), self.gw.clock.now())
    }

    /// Ends the session, if its endpoint is still there; nobody waits for that.
    pub(super) fn leave_session(&mut self) {
        let Some(session) = self.session.take() else { return };
        if session.opened.stay.endpoint().is_gone() {
            return;
        }
        let (gw, backend) = (self.gw.clone(), self.backend.clone());
        tokio::spawn(async move {
            client::delete(&gw, &backend, Link::to(&session.opened.binding), LIMIT).await;
        });
    }

    /// The session's endpoint does not answer: is there another to try?
    pub(super) fn pass_over(&self) -> bool {
        let Some(session) = &self.session else { return false };
        let (endpoint, now) = (session.opened.stay.endpoint(), self.gw.clock.now());
        let other = self.backend.endpoints.other(endpoint.id, now);
        if other {
            endpoint.pass_over(now);
        }
        other
    }

    async fn ask(
        &self,
        opened: &Opened,
        list: bool,
        limit: Duration,
    ) -> Result<Option<Contribution>, ExchangeError> {
        if list {
            return read(&self.gw, &self.backend, Link::to(&opened.binding), limit).await.map(Some);
        }
        client::ping(&self.gw, &self.backend, Link::to(&opened.binding), limit).await.map(|()| None)
    }

    fn store(&mut self, list: Option<Contribution>) {
        let Some(list) = list else { return };
        self.plan.listed();
        let shared = &self.backend.shared;
        if shared.contribution.load().as_ref().is_none_or(|k| k.digest() != list.digest()) {
            tracing::info!(backend = %shared.id, tools = list.len(), "capabilities read");
            shared.contribution.store(Some(Arc::new(list)));
            self.gw.contributed.notify_one();
        }
    }

    fn listen(&self, opened: &Opened) -> Listener {
        let (gw, backend, changed) = (self.gw.clone(), self.backend.clone(), self.changed.clone());
        let binding = opened.binding.clone();
        Listener(tokio::spawn(async move {
            client::listen(&gw, &backend, Link::to(&binding), &changed).await;
        }))
    }
}

async fn read(
    gw: &Gateway,
    b: &BackendState,
    link: Link<'_>,
    limit: Duration,
) -> Result<Contribution, ExchangeError> {
    let pages = client::list_tools(gw, b, link, limit).await?;
    Contribution::parse(&pages).map_err(|e| ExchangeError::Protocol(e.to_string()))
}

//! The endpoints of one backend at run time. They come and go beside the snapshots, and nothing else that is known of the
//! backend changes with them. Where a session goes is decided in `core`; what is counted for that is counted here.
//! Knows nothing of connections.

use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Duration;
use tidegate_dataplane_core::endpoint::{self, Candidate, EndpointId};
use tidegate_proto::table;
use tokio::sync::Notify;

/// For how long new sessions go elsewhere after an endpoint could not be reached.
const PASSED_OVER: Duration = Duration::from_secs(5);

/// The endpoints of a backend.
pub(crate) struct Endpoints {
    list: ArcSwap<Vec<Arc<Endpoint>>>,
    /// Whose turn it is among requests that belong to no session.
    turn: AtomicUsize,
    /// They are others than before.
    pub(crate) changed: Notify,
}

/// One address of a backend, for as long as it stays in the table.
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) host: String,
    pub(crate) port: u16,
    draining: AtomicBool,
    gone: AtomicBool,
    /// Those that [`Stay`] counts.
    sessions: AtomicU32,
    /// Until when new sessions go elsewhere, in milliseconds of the gateway's clock.
    passed_over: AtomicU64,
}

/// A session at an endpoint, counted while this lives.
pub(crate) struct Stay(Arc<Endpoint>);

/// Why a request has no endpoint to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    /// The backend has no endpoints: whatever is known of sessions there is good again when one comes back.
    #[error("no endpoint is ready")]
    Empty,
    /// The one that the session was at is not among them, or refuses connections.
    #[error("the endpoint of its session is gone")]
    Gone,
}

impl Endpoints {
    pub(crate) fn new(list: &[table::Endpoint]) -> Self {
        let endpoints = Self { list: ArcSwap::default(), turn: AtomicUsize::new(0), changed: Notify::new() };
        endpoints.follow(list);
        endpoints
    }

    /// Takes over an edited list: those that stayed stay what they are. One caller at a time.
    pub(crate) fn follow(&self, list: &[table::Endpoint]) {
        let old = self.list.load();
        let same =
            old.len() == list.len() && old.iter().zip(list).all(|(o, e)| o.is(e) && o.drains() == e.draining);
        if same {
            return;
        }
        let mut next: Vec<Arc<Endpoint>> = Vec::with_capacity(list.len());
        for e in list {
            let stayed = old.iter().find(|o| o.is(e)).cloned();
            let endpoint = stayed.unwrap_or_else(|| Arc::new(Endpoint::new(e)));
            endpoint.draining.store(e.draining, Relaxed);
            // of two with one name only the first can be found: it is one in four billion
            if next.iter().all(|n| n.id != endpoint.id) {
                next.push(endpoint);
            }
        }
        for o in old.iter().filter(|o| !next.iter().any(|n| Arc::ptr_eq(n, o))) {
            o.gone.store(true, Release);
        }
        self.list.store(Arc::new(next));
        self.changed.notify_one();
    }

    /// Which endpoint a request goes to: the one that its link names; without a session, whose turn it is.
    #[inline]
    pub(crate) fn place(
        &self,
        session: &[u8],
        endpoint: Option<EndpointId>,
        now: Duration,
    ) -> Result<EndpointId, NoPlace> {
        match endpoint {
            Some(id) => Ok(id),
            None => self.unnamed(session, now),
        }
    }

    /// The first is where sessions are that do not say where.
    fn unnamed(&self, session: &[u8], now: Duration) -> Result<EndpointId, NoPlace> {
        let list = self.list.load();
        if !session.is_empty() {
            return list.first().map(|e| e.id).ok_or(NoPlace::Empty);
        }
        let rank = |e: &Endpoint| e.candidate(now).rank();
        let best = list.iter().map(|e| rank(e)).min().ok_or(NoPlace::Empty)?;
        let turn = self.turn.fetch_add(1, Relaxed);
        let count = list.iter().filter(|e| rank(e) == best).count();
        let mut equals = list.iter().filter(|e| rank(e) == best).cycle();
        // none: ranks changed in this very moment
        equals.nth(turn % count.max(1)).or(list.first()).map(|e| e.id).ok_or(NoPlace::Empty)
    }

    /// The endpoint of that name.
    pub(crate) fn get(&self, id: EndpointId) -> Result<Arc<Endpoint>, NoPlace> {
        let list = self.list.load();
        let none = if list.is_empty() { NoPlace::Empty } else { NoPlace::Gone };
        list.iter().find(|e| e.id == id).cloned().ok_or(none)
    }

    /// Where a new session goes, but to none of `tried`; counted from now on. Chance is asked only where there is a choice:
    /// it takes a system call.
    pub(crate) fn stay(
        &self,
        random: impl FnOnce() -> u64,
        now: Duration,
        tried: &[EndpointId],
    ) -> Option<Stay> {
        let list = self.list.load();
        let open: Vec<_> = list.iter().filter(|e| !tried.contains(&e.id)).collect();
        let candidates: Vec<_> = open.iter().map(|e| e.candidate(now)).collect();
        let random = if open.len() > 1 { random() } else { 0 };
        let chosen = endpoint::choose(&candidates, random)?;
        Some(Stay::at(open[chosen]))
    }

    /// Is there another that is well and stays?
    pub(crate) fn other(&self, than: EndpointId, now: Duration) -> bool {
        self.list.load().iter().any(|e| e.id != than && e.candidate(now).rank() == 0)
    }

    /// Is it no place for a session of the gateway's own any more?
    pub(crate) fn to_be_left(&self, endpoint: &Endpoint, now: Duration) -> bool {
        endpoint.is_gone() || (endpoint.drains() && self.other(endpoint.id, now))
    }

    /// How many are ready, and how many drain.
    pub(crate) fn count(&self) -> (usize, usize) {
        let list = self.list.load();
        let draining = list.iter().filter(|e| e.drains()).count();
        (list.len() - draining, draining)
    }
}

impl Endpoint {
    fn new(e: &table::Endpoint) -> Self {
        Self {
            id: EndpointId::of(&e.host, e.port),
            host: e.host.clone(),
            port: e.port,
            draining: AtomicBool::new(e.draining),
            gone: AtomicBool::new(false),
            sessions: AtomicU32::new(0),
            passed_over: AtomicU64::new(0),
        }
    }

    fn is(&self, e: &table::Endpoint) -> bool {
        self.port == e.port && self.host == e.host
    }

    fn candidate(&self, now: Duration) -> Candidate {
        Candidate {
            sessions: self.sessions.load(Relaxed),
            draining: self.drains(),
            passed_over: self.passed_over.load(Relaxed) > millis(now),
        }
    }

    fn drains(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Is it no longer in the table?
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Acquire)
    }

    /// It could not be reached: new sessions go elsewhere for a while.
    pub(crate) fn pass_over(&self, now: Duration) {
        self.passed_over.store(millis(now + PASSED_OVER), Relaxed);
    }

    /// It was reached.
    pub(crate) fn reached(&self) {
        self.passed_over.store(0, Relaxed);
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

impl Stay {
    fn at(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.sessions.fetch_add(1, Relaxed);
        Self(endpoint.clone())
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Relaxed);
    }
}

impl NoPlace {
    /// In a few words, for a client.
    pub(crate) fn public(self) -> &'static str {
        match self {
            Self::Empty => "no endpoint is ready",
            Self::Gone => "its endpoint is gone",
        }
    }
}

fn millis(then: Duration) -> u64 {
    u64::try_from(then.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

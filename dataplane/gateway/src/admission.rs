//! What a call has to pass before it is sent: the breaker of its backend, that of its tool, and the backend's limit of
//! calls in flight. What it was granted goes back when it ends, however it ends.

use crate::backend::BackendState;
use crate::metrics::inc;
use crate::room::Room;
use crate::snapshot::Member;
use crate::standing::{Cell, Grant, Refused};
use crate::stuck::Stuck;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use tidegate_dataplane_core::breaker::{Position, Ticket, Verdict};
use tidegate_dataplane_core::fault::Fault;
use tidegate_proto::table::Limits;

/// Room for calls at one backend on this node. An edit of the limits starts a new one, beside what is in flight.
pub(crate) struct Slots {
    room: Room,
    limits: Limits,
}

/// Leave to send one call.
pub(crate) struct Admitted {
    pub(crate) member: Arc<Member>,
    /// The breaker that the call's outcome counts for, where it is the tool's own.
    tool: Option<Arc<Cell>>,
    tickets: Tickets,
    slot: bool,
    /// The client does not read.
    stuck: Option<Stuck>,
    settled: bool,
}

#[derive(Clone, Copy, Default)]
struct Tickets {
    backend: Option<Grant>,
    tool: Option<Grant>,
}

/// Leave for a probe; given back when the probe comes to nothing.
pub(crate) struct ProbeTicket {
    member: Arc<Member>,
    ticket: Option<Ticket>,
}

/// Whom a failure counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// No connection could be had.
    Backend,
    /// What was called failed.
    Call,
}

impl Slots {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { room: Room::default(), limits }
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.room.taken()
    }

    /// Calls that wait.
    pub(crate) fn waiting(&self) -> u32 {
        self.room.waiting()
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.room.try_take(self.limits.requests)
    }

    /// Waits its turn; false at once when too many wait already.
    async fn take(&self) -> bool {
        if self.try_take() {
            return true;
        }
        if self.waiting() >= self.limits.pending {
            return false;
        }
        self.room.take(self.limits.requests).await;
        true
    }
}

impl Admitted {
    /// Passes the breakers. A slot is taken separately: it may have to be waited for.
    #[inline]
    pub(crate) fn ask(member: &Arc<Member>, tool: Option<&Arc<Cell>>, now: Duration) -> Result<Self, Fault> {
        let tickets = Tickets { backend: pass(member, member.standing.breaker.as_ref(), now)?, tool: None };
        let member = member.clone();
        let mut admitted = Self { member, tool: None, tickets, slot: false, stuck: None, settled: false };
        if let Some(tool) = tool {
            // refused here, what the backend's breaker granted goes back by `Drop`
            admitted.tickets.tool = pass(&admitted.member, Some(tool), now)?;
            admitted.tool = Some(tool.clone());
        }
        Ok(admitted)
    }

    /// Leave for the same call once more, after this one was settled.
    pub(crate) fn renewed(&self, now: Duration) -> Result<Self, Fault> {
        Self::ask(&self.member, self.tool.as_ref(), now)
    }

    /// Does it have its turn?
    pub(crate) fn has_slot(&self) -> bool {
        self.slot
    }

    /// Gives the turn to another, before the end: what is left does not burden the backend.
    pub(crate) fn release_slot(&mut self) {
        if std::mem::take(&mut self.slot) {
            self.backend().slots.room.give_back();
        }
    }

    /// Its client has taken nothing since then: that is no load for the backend, so the turn goes to another. True: the
    /// call is to end, as too many clients do not read.
    #[cold]
    pub(crate) fn stuck(&mut self, since: Instant, waker: &Waker) -> bool {
        self.release_slot();
        if self.stuck.as_ref().is_none_or(|stuck| stuck.since() != since) {
            // the old one first: it is not to be counted beside the new one
            self.stuck = None;
            self.stuck = Some(Stuck::new(&self.member.backend, since, waker));
        }
        self.stuck.as_ref().is_some_and(Stuck::given_up)
    }

    /// Its client reads.
    #[inline]
    pub(crate) fn moving(&mut self) {
        self.stuck = None;
    }

    /// The backend has begun to answer as it should: if this is a trial, it is won now, however long the rest takes.
    #[inline]
    pub(crate) fn answering(&mut self) {
        if self.tickets.is_trial() {
            self.trial_won();
        }
    }

    #[cold]
    fn trial_won(&mut self) {
        let m = self.member.clone();
        if let (Some(cell), Some(grant)) = (&m.standing.breaker, self.tickets.backend) {
            record(&m, cell, grant.ticket, Verdict::Success);
        }
        if let (Some(cell), Some(grant)) = (&self.tool, self.tickets.tool) {
            record(&m, cell, grant.ticket, Verdict::Success);
        }
        // what becomes of the rest counts as that of any call
        let now = m.clock.now();
        self.tickets.backend = m.standing.breaker.as_ref().and_then(|cell| cell.admit(now).ok());
        self.tickets.tool = self.tool.as_ref().and_then(|cell| cell.admit(now).ok());
    }

    /// A slot, if one is free now.
    #[inline]
    pub(crate) fn try_slot(&mut self) -> bool {
        self.slot = self.slot || self.backend().slots.try_take();
        self.slot
    }

    /// Waits for a slot among those that the limits let wait.
    pub(crate) async fn wait_slot(&mut self) -> Result<(), Fault> {
        if self.slot {
            return Ok(());
        }
        self.slot = self.backend().slots.take().await;
        if self.slot {
            return Ok(());
        }
        Err(self.shed())
    }

    /// Refused for lack of room: counted, and told.
    pub(crate) fn shed(&self) -> Fault {
        if let Some(count) = self.backend().shared.stats.shed.add() {
            tracing::warn!(backend = %self.backend().spec.id, count, "calls shed: too many in flight");
        }
        Fault::BackendOverloaded { workload: self.member.workload.clone() }
    }

    fn backend(&self) -> &BackendState {
        &self.member.backend
    }

    /// Tells how it ended, once.
    #[inline]
    pub(crate) fn settle(&mut self, verdict: Verdict, whose: Whose) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let m = &self.member;
        if let (Some(cell), Some(Grant { ticket, .. })) = (&m.standing.breaker, self.tickets.backend) {
            // where tools have their own, a failing tool says nothing of its backend
            let own = self.tool.is_some() && whose == Whose::Call && verdict == Verdict::Failure;
            record(m, cell, ticket, if own { Verdict::None } else { verdict });
        }
        if let (Some(cell), Some(Grant { ticket, .. })) = (&self.tool, self.tickets.tool) {
            let not_its_own = whose == Whose::Backend && verdict == Verdict::Failure;
            record(m, cell, ticket, if not_its_own { Verdict::None } else { verdict });
        }
        m.standing.called(verdict);
        let news = verdict == Verdict::Failure || (verdict == Verdict::Success && m.standing.unwell());
        if news && m.probed {
            m.backend.shared.hint.notify_one();
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.settle(Verdict::None, Whose::Call);
        self.release_slot();
    }
}

impl Tickets {
    fn is_trial(&self) -> bool {
        self.backend.is_some_and(|g| g.trial) || self.tool.is_some_and(|g| g.trial)
    }
}

impl ProbeTicket {
    /// From the backend's own breaker, if it grants one.
    pub(crate) fn ask(member: &Arc<Member>, now: Duration) -> Option<Self> {
        let grant = grant(member, member.standing.breaker.as_ref()?, now).ok()?;
        Some(Self { member: member.clone(), ticket: Some(grant.ticket) })
    }

    pub(crate) fn settle(mut self, verdict: Verdict) {
        self.tell(verdict);
    }

    fn tell(&mut self, verdict: Verdict) {
        if let (Some(cell), Some(ticket)) = (&self.member.standing.breaker, self.ticket.take()) {
            record(&self.member, cell, ticket, verdict);
        }
    }
}

impl Drop for ProbeTicket {
    fn drop(&mut self) {
        self.tell(Verdict::None);
    }
}

#[inline]
fn pass(member: &Member, cell: Option<&Cell>, now: Duration) -> Result<Option<Grant>, Fault> {
    let Some(cell) = cell else { return Ok(None) };
    grant(member, cell, now).map(Some).map_err(|refused| refuse(member, refused))
}

#[cold]
fn refuse(member: &Member, Refused { position, retry_after }: Refused) -> Fault {
    if let Some(count) = member.standing.stats.refused.add() {
        let (server, backend) = (&member.server, &member.backend.spec.id);
        tracing::info!(%server, %backend, state = position.as_str(), count, "calls refused by circuit breaker");
    }
    Fault::CircuitOpen {
        workload: member.workload.clone(),
        state: position.as_str(),
        retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX).max(1),
    }
}

/// Leave from a breaker. That it takes a trial is announced.
#[inline]
fn grant(member: &Member, cell: &Cell, now: Duration) -> Result<Grant, Refused> {
    let grant = cell.admit(now)?;
    if grant.moved {
        moved(member, Position::HalfOpen);
    }
    Ok(grant)
}

/// Tells a breaker an outcome, and everybody when that moves it.
#[inline]
fn record(m: &Member, cell: &Cell, ticket: Ticket, verdict: Verdict) {
    if let Some(to) = cell.record(ticket, verdict, || m.clock.now()) {
        moved(m, to);
    }
}

#[cold]
fn moved(m: &Member, to: Position) {
    inc(&m.standing.stats.breaker[to as usize]);
    let (server, backend) = (&m.server, &m.backend.spec.id);
    match to {
        Position::Open => tracing::warn!(%server, %backend, "circuit breaker OPENED (threshold exceeded)"),
        Position::Closed => tracing::info!(%server, %backend, "circuit breaker CLOSED (recovery successful)"),
        Position::HalfOpen => {
            tracing::info!(%server, %backend, "circuit breaker HALF-OPEN (testing recovery)")
        }
    }
    m.backend.shared.breakers.notify_one();
    m.contributed.notify_one();
}

//! A call from the moment it is decided to its end: its turn and its session if need be, connect, send, pass the answer
//! on; say it again where that is safe; and settle what is left: the connection, the breakers, the counters, the
//! cancellation.

use super::Arrival;
use super::again::Again;
use super::answer::{Answer, Ended};
use super::kept::Kept;
use super::record::Record;
use super::reply::{self, id_or_null};
use super::request::Conn;
use crate::admission::{Admitted, Whose};
use crate::client::{self, Link};
use crate::endpoints::NoPlace;
use crate::io::Io;
use crate::local::local;
use crate::metrics::{End, inc};
use crate::session::Session;
use crate::upstream::{self, Upstream};
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Poll::Pending, Poll::Ready};
use std::time::{Duration, Instant};
use tidegate_dataplane_core::breaker::Verdict;
use tidegate_dataplane_core::endpoint::EndpointId;
use tidegate_dataplane_core::fault::Fault;
use tidegate_dataplane_core::token::Binding;

/// What a client may send ahead while its call runs.
const MAX_PIPELINED: usize = 64 * 1024;

pub(super) struct Call {
    pub(super) record: Record,
    pub(super) admitted: Admitted,
    pub(super) session: Arc<Session>,
    /// which of the session's links to the backend it is sent on
    pub(super) generation: u32,
    /// where it is sent, once it is prepared
    pub(super) endpoint: Option<EndpointId>,
    /// which tool of the server's catalog
    pub(super) position: usize,
    /// it has its turn and its session: `rest` is what is left to send
    pub(super) prepared: bool,
    /// a pooled connection that took at least the first bytes
    pub(super) stream: Option<Upstream>,
    /// what is still to be sent
    pub(super) rest: Vec<u8>,
    /// to say it again; always there while it is not prepared
    pub(super) kept: Option<Kept>,
    /// bound of the whole call
    pub(super) bound: Duration,
    /// the client gave a progress token
    pub(super) progress: bool,
    pub(super) arrival: Arrival,
}

impl Conn<'_> {
    /// Runs the call that was decided on to its end; false when the client's connection ends with it.
    pub(super) async fn started_call<C: Io>(&mut self, io: &mut C) -> bool {
        match self.call.take() {
            Some(mut call) => self.call(io, &mut call).await,
            None => false,
        }
    }

    /// Runs a call to its end.
    pub(super) async fn call<C: Io>(&mut self, io: &mut C, call: &mut Call) -> bool {
        call.record.tool = Some(call.position);
        self.deadline.arm(call.arrival.at, call.bound);
        let idle = call.admitted.member.idle_timeout.unwrap_or(call.bound);
        let mut answer = Answer::new(call.progress.then_some(idle), call.arrival.close);
        let mut again = Again::default();
        let ended = loop {
            let ended = match self.send(io, call).await {
                Err(ended) => ended,
                Ok(mut up) => {
                    let ended = poll_fn(|cx| {
                        let moved = answer.poll(cx, io, &mut up, self);
                        if answer.started() {
                            call.admitted.answering();
                        }
                        match answer.stalled() {
                            None => call.admitted.moving(),
                            Some(since) if moved.is_pending() && call.admitted.stuck(since, cx.waker()) => {
                                self.slow_reader();
                                return Ready(Ended::Client);
                            }
                            Some(_) => {}
                        }
                        moved
                    })
                    .await;
                    self.now = Instant::now();
                    if let Ended::Complete { reusable: true } = ended {
                        local(|l| l.pool.put(&call.admitted.member.backend, up, self.now));
                    }
                    ended
                }
            };
            if answer.started() || ended.is_final() {
                break ended;
            }
            match Box::pin(self.again(io, call, ended, &mut again)).await {
                None => answer = Answer::new(call.progress.then_some(idle), call.arrival.close),
                Some(ended) => break ended,
            }
        };
        self.settle(io, call, &answer, ended).await
    }

    /// Connects if need be and sends what is left, unless the client leaves meanwhile.
    async fn send<C: Io>(&mut self, io: &mut C, call: &mut Call) -> Result<Upstream, Ended> {
        if !call.prepared {
            Box::pin(self.prepare(io, call)).await?;
        }
        let mut up = match call.stream.take() {
            Some(up) => up,
            // boxed: it is rare, and its state is larger than a whole connection's
            None => Box::pin(self.connect(io, call)).await?,
        };
        let mut at = 0;
        while at < call.rest.len() {
            let written = poll_fn(|cx| {
                if self.deadline.expired(cx) {
                    return Ready(Err(Ended::Deadline));
                }
                match up.poll_write(cx, &[IoSlice::new(&call.rest[at..])]) {
                    Ready(r) => Ready(r.map_err(|_| Ended::Broken("connection broke while sending"))),
                    Pending => self.watch(cx, io).map(Err),
                }
            });
            at += written.await?;
        }
        call.rest = Vec::new();
        Ok(up)
    }

    /// Waits for a turn at the backend, and opens the session there if there is none.
    async fn prepare<C: Io>(&mut self, io: &mut C, call: &mut Call) -> Result<(), Ended> {
        let gw = self.site.gw.clone();
        let limit = self.deadline.left();
        let Call { admitted, session, .. } = &mut *call;
        let work = async {
            admitted.wait_slot().await.map_err(Ended::Fault)?;
            client::bind(&gw, session, &admitted.member, limit).await.map_err(Ended::of)
        };
        let bound = self.unless_over(io, work).await;
        let (binding, generation) = bound.map_err(|ended| match ended {
            // it never got its turn: the backend was not asked
            Ended::Deadline if !call.admitted.has_slot() => Ended::Fault(call.admitted.shed()),
            ended => ended,
        })?;
        call.generation = generation;
        let link = Link::to(&binding);
        let endpoints = &call.admitted.member.backend.endpoints;
        let place = endpoints.place(link.session, link.endpoint, gw.clock.now());
        call.endpoint = Some(place.map_err(Ended::Unplaced)?);
        let tool = call.record.server.catalog.at(call.position).ok_or(Ended::Fault(Fault::Internal))?;
        let kept = call.kept.as_ref().ok_or(Ended::Fault(Fault::Internal))?;
        call.rest = kept.request(&call.admitted.member, tool, link);
        call.prepared = true;
        Ok(())
    }

    async fn connect<C: Io>(&mut self, io: &mut C, call: &Call) -> Result<Upstream, Ended> {
        let gw = self.site.gw.clone();
        let m = &call.admitted.member;
        let endpoint = call.endpoint.ok_or(NoPlace::Gone).and_then(|id| m.backend.endpoints.get(id));
        let endpoint = endpoint.map_err(Ended::Unplaced)?;
        let leave = self.unless_over(io, async { Ok(upstream::leave(&m.backend).await) }).await;
        let leave = leave.map_err(|ended| match ended {
            // all connections were taken: the backend was not asked
            Ended::Deadline => Ended::Fault(call.admitted.shed()),
            ended => ended,
        })?;
        let connect = async {
            let limit = m.connect_timeout;
            let connected = upstream::connect_for_call(&gw, &m.backend, &endpoint, limit, leave).await;
            connected.map_err(|e| {
                // who does not listen has lost its sessions too
                let lost = e.is_refusal() && m.backend.endpoints.other(endpoint.id, gw.clock.now());
                if lost { Ended::Unplaced(NoPlace::Gone) } else { Ended::Unconnected(e.public()) }
            })
        };
        self.unless_over(io, connect).await
    }

    /// Does `work`, unless the bound of the call passes or the client leaves before.
    pub(super) async fn unless_over<C: Io, T>(
        &mut self,
        io: &mut C,
        work: impl Future<Output = Result<T, Ended>>,
    ) -> Result<T, Ended> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Ready(done) = work.as_mut().poll(cx) {
                return Ready(done);
            }
            if self.deadline.expired(cx) {
                return Ready(Err(Ended::Deadline));
            }
            self.watch(cx, io).map(Err)
        })
        .await
    }

    /// Waiting for the backend: learn of it when the client goes away, which cancels the call.
    pub(super) fn watch<C: Io>(&mut self, cx: &mut Context<'_>, client: &mut C) -> Poll<Ended> {
        let pend = &mut self.pend;
        local(|l| {
            while pend.len() < MAX_PIPELINED {
                match client.poll_read(cx, &mut l.scratch) {
                    Pending => break,
                    Ready(Ok(0) | Err(_)) => return Ready(Ended::Client),
                    Ready(Ok(n)) => pend.extend_from_slice(&l.scratch[..n]),
                }
            }
            Pending
        })
    }

    async fn settle<C: Io>(&mut self, io: &mut C, call: &mut Call, answer: &Answer, ended: Ended) -> bool {
        let (verdict, whose) = ended.verdict();
        call.admitted.settle(verdict, whose);
        let b = &call.admitted.member.backend;
        if verdict != Verdict::None {
            b.shared.set_suspect(verdict == Verdict::Failure);
        }
        match ended {
            Ended::Complete { .. } => {
                b.shared.stats.latency(self.now.saturating_duration_since(call.arrival.at));
                call.record.end = End::Ok;
                return !call.arrival.close && !answer.ends_connection();
            }
            Ended::Client => {
                self.cancel(call, "client disconnected");
                return false;
            }
            Ended::Deadline => {
                inc(&b.shared.stats.timeouts);
                self.cancel(call, "timeout");
            }
            Ended::Unconnected(_) | Ended::Broken(_) | Ended::NotHttp | Ended::NotMcp => {
                inc(&b.shared.stats.failures);
            }
            Ended::Refused { .. } if verdict == Verdict::Failure => inc(&b.shared.stats.failures),
            Ended::Refused { .. } | Ended::SessionLost | Ended::Unplaced(_) | Ended::Fault(_) => {}
        }
        // an event stream with progress is bounded by silence
        let limit = answer.idle_bound().unwrap_or(call.bound);
        let fault = ended.fault(call, limit);
        if let Some(count) = b.shared.stats.call_failures.add() {
            let answered = answer.started();
            tracing::warn!(backend = %b.spec.id, fault = fault.code(), answered, count, "calls failed");
        }
        if answer.started() {
            call.record.fail(End::Cut, &fault);
            return self.cut(io, call, answer, &fault).await;
        }
        call.record.fail(End::Fault, &fault);
        self.call_fault(io, &fault, call.arrival).await
    }

    /// Half an answer is out. An event stream can still end with the error as its last event; elsewhere only the
    /// end of the connection can say that the answer is not whole.
    async fn cut<C: Io>(&mut self, io: &mut C, call: &Call, answer: &Answer, fault: &Fault) -> bool {
        self.site.gw.stats.fault(fault.code());
        let (_, body) = fault.call_body(id_or_null(&self.id));
        let Some((last, keep)) = answer.last_event(&body) else { return false };
        self.deadline.arm(Instant::now(), self.site.gw.options.read);
        self.flush(io, &last).await && keep && !call.arrival.close
    }

    /// Answers a call with a fault, in the form that a model can read (spec 4.6).
    pub(super) async fn call_fault<C: Io>(&mut self, io: &mut C, fault: &Fault, arrival: Arrival) -> bool {
        let answer = self.write_call_fault(fault, arrival);
        self.deadline.arm(Instant::now(), self.site.gw.options.read);
        self.flush(io, &answer).await && !arrival.close
    }

    /// The bytes of that answer; the fault is counted here, once.
    pub(super) fn write_call_fault(&self, fault: &Fault, arrival: Arrival) -> Vec<u8> {
        self.site.gw.stats.fault(fault.code());
        let (status, body) = fault.call_body(id_or_null(&self.id));
        reply::with_fault(status, fault, arrival.close, &body)
    }

    /// Tells the backend, beside the path: nobody waits for the outcome.
    fn cancel(&self, call: &Call, reason: &'static str) {
        if self.id.is_empty() || !call.prepared {
            return;
        }
        let gw = self.site.gw.clone();
        let (member, session, id) = (call.admitted.member.clone(), call.session.clone(), self.id.clone());
        let endpoint = call.endpoint;
        tokio::spawn(async move {
            let b = &member.backend;
            let Ok(_turn) = b.own.try_acquire() else {
                if let Some(count) = b.shared.stats.cancels_dropped.add() {
                    tracing::warn!(backend = %b.spec.id, count, "cancellations not sent");
                }
                return;
            };
            let Some(binding) = session.binding(b.hash) else { return };
            let binding = Binding::clone(&binding);
            client::cancel(&gw, b, Link { endpoint, ..Link::to(&binding) }, &id, reason).await;
        });
    }
}

impl Ended {
    /// Nothing that a second attempt could change.
    fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Complete { .. }
                | Self::Client
                | Self::Deadline
                | Self::Unplaced(NoPlace::Empty)
                | Self::Fault(_)
        )
    }

    /// What it says of the backend, and whom it counts for (spec 5.4): transport errors, timeouts and 5xx are failures;
    /// an answer is a success whatever it says; the client's doing is neither.
    pub(super) fn verdict(&self) -> (Verdict, Whose) {
        match self {
            Self::Complete { .. } | Self::SessionLost => (Verdict::Success, Whose::Call),
            Self::Refused { status, .. } if *status < 500 => (Verdict::Success, Whose::Call),
            Self::Unconnected(_) => (Verdict::Failure, Whose::Backend),
            Self::Deadline | Self::Broken(_) | Self::NotHttp | Self::Refused { .. } => {
                (Verdict::Failure, Whose::Call)
            }
            Self::Client | Self::NotMcp | Self::Unplaced(_) | Self::Fault(_) => (Verdict::None, Whose::Call),
        }
    }

    /// From opening a session.
    fn of(e: client::ExchangeError) -> Self {
        use client::ExchangeError as E;
        match e {
            E::Place(why) => Self::Unplaced(why),
            E::Connect(c) => Self::Unconnected(c.public()),
            E::Timeout(_) => Self::Deadline,
            E::Io(_) | E::Ended => Self::Broken("connection broke while a session was opened"),
            E::Http(_) => Self::NotHttp,
            E::Status(status @ (401 | 403 | 429 | 500..=599)) => Self::Refused { status, retry_after: None },
            E::Status(_) | E::TooLarge | E::Protocol(_) => Self::NotMcp,
        }
    }

    /// What the client is told.
    fn fault(self, call: &Call, limit: Duration) -> Fault {
        let workload = call.admitted.member.workload.clone();
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Deadline => Fault::BackendTimeout { workload, limit_ms: ms(limit) },
            Self::SessionLost => Fault::BackendUnavailable { workload, reason: "its session had ended" },
            Self::Unconnected(reason) | Self::Broken(reason) => {
                Fault::BackendUnavailable { workload, reason }
            }
            Self::Unplaced(why) => Fault::BackendUnavailable { workload, reason: why.public() },
            Self::Refused { status: 401 | 403, .. } => Fault::BackendAuthentication { workload },
            Self::Refused { status: status @ (429 | 503), retry_after } => {
                Fault::BackendBusy { workload, status, retry_after_ms: retry_after.map(ms) }
            }
            Self::Refused { .. } => {
                Fault::BackendUnavailable { workload, reason: "it answered with a server error" }
            }
            Self::NotHttp | Self::NotMcp => Fault::BackendProtocol { workload },
            Self::Fault(fault) => fault,
            Self::Complete { .. } | Self::Client => Fault::Internal,
        }
    }
}

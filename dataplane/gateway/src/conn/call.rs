//! A call from the moment it is decided to its end: connect if need be, send the rest, pass the answer on,
//! and settle what is left: the connection, the counters, the cancellation.

use super::answer::{Answer, Ended};
use super::reply::{self, id_or_null};
use super::request::Conn;
use super::{Arrival, Record};
use crate::client::{self, Link};
use crate::io::Io;
use crate::local::local;
use crate::metrics::{End, inc};
use crate::session::Session;
use crate::snapshot::Member;
use crate::upstream;
use pingora_core::protocols::Stream;
use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::task::{Context, Poll, Poll::Pending, Poll::Ready};
use std::time::Instant;
use tidegate_dataplane_core::fault::Fault;

/// What a client may send ahead while its call runs.
const MAX_PIPELINED: usize = 64 * 1024;

pub(super) struct Call {
    pub(super) record: Record,
    pub(super) member: Arc<Member>,
    pub(super) session: Arc<Session>,
    /// a pooled connection that took at least the first bytes
    pub(super) stream: Option<Stream>,
    /// what is still to be sent
    pub(super) rest: Vec<u8>,
    /// the client gave a progress token
    pub(super) progress: bool,
    pub(super) arrival: Arrival,
}

impl Conn<'_> {
    /// Runs a call to its end; false when the client's connection ends with it.
    pub(super) async fn call<C: Io>(&mut self, io: &mut C, mut call: Call) -> bool {
        self.deadline.arm(call.arrival.at, call.member.call_timeout);
        let mut answer = Answer::new(call.progress.then_some(call.member.call_timeout), call.arrival.close);
        let ended = match self.send(io, &mut call).await {
            Err(ended) => ended,
            Ok(mut up) => {
                let ended = poll_fn(|cx| answer.poll(cx, io, &mut up, self)).await;
                if let Ended::Complete { reusable: true } = ended {
                    local(|l| l.pool.put(&call.member.backend, up, Instant::now()));
                }
                ended
            }
        };
        self.settle(io, call, &answer, ended).await
    }

    /// Connects if need be and sends what is left, unless the client leaves meanwhile.
    async fn send<C: Io>(&mut self, io: &mut C, call: &mut Call) -> Result<Stream, Ended> {
        let mut up = match call.stream.take() {
            Some(up) => up,
            None => upstream::connect(&self.site.gw, &call.member.backend, self.deadline.left())
                .await
                .map_err(|e| {
                    if self.deadline.left().is_zero() { Ended::Deadline } else { Ended::Broken(e.public()) }
                })?,
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

    async fn settle<C: Io>(&mut self, io: &mut C, mut call: Call, answer: &Answer, ended: Ended) -> bool {
        let b = &call.member.backend;
        let fault = match ended {
            Ended::Complete { .. } => {
                b.shared.stats.latency(call.arrival.at.elapsed());
                call.record.end = End::Ok;
                return !call.arrival.close && !answer.ends_connection();
            }
            Ended::Client => {
                self.cancel(&call, "client disconnected");
                return false;
            }
            Ended::Deadline => {
                inc(&b.shared.stats.timeouts);
                self.cancel(&call, "timeout");
                let limit_ms = u64::try_from(call.member.call_timeout.as_millis()).unwrap_or(u64::MAX);
                Fault::BackendTimeout { workload: call.member.workload.clone(), limit_ms }
            }
            Ended::SessionLost => self.session_lost(&call),
            Ended::Broken(reason) => {
                inc(&b.shared.stats.failures);
                Fault::BackendUnavailable { workload: call.member.workload.clone(), reason }
            }
            Ended::NotMcp => {
                inc(&b.shared.stats.failures);
                Fault::BackendProtocol { workload: call.member.workload.clone() }
            }
        };
        tracing::info!(
            backend = %b.spec.id, fault = fault.code(), answered = answer.started(), "call failed"
        );
        if answer.started() {
            // half an answer is out: only the end of the connection can say that it is not whole
            call.record.end = End::Cut;
            self.site.gw.stats.fault(fault.code());
            return false;
        }
        call.record.end = End::Fault;
        self.call_fault(io, &fault, call.arrival).await
    }

    /// The backend answered 404: it does not know its session. The call was not accepted; the next one
    /// opens a new session.
    fn session_lost(&self, call: &Call) -> Fault {
        let b = &call.member.backend;
        inc(&b.shared.stats.sessions_lost);
        if let Some(binding) = call.session.binding(b.hash) {
            let lost = binding.session.clone();
            drop(binding);
            call.session.lose(b.hash, &lost);
        }
        let reason = "its session had ended; the next call opens a new one";
        Fault::BackendUnavailable { workload: call.member.workload.clone(), reason }
    }

    /// Answers a call with a fault, in the form that a model can read (spec 4.6).
    pub(super) async fn call_fault<C: Io>(&mut self, io: &mut C, fault: &Fault, arrival: Arrival) -> bool {
        self.site.gw.stats.fault(fault.code());
        let (status, body) = fault.call_body(id_or_null(&self.id));
        let answer = reply::json(status, &[], arrival.close, &body);
        self.deadline.arm(Instant::now(), self.site.gw.options.read);
        self.flush(io, &answer).await && !arrival.close
    }

    /// Tells the backend, beside the path: nobody waits for the outcome.
    fn cancel(&self, call: &Call, reason: &'static str) {
        if self.id.is_empty() {
            return;
        }
        let gw = self.site.gw.clone();
        let (member, session, id) = (call.member.clone(), call.session.clone(), self.id.clone());
        tokio::spawn(async move {
            let b = &member.backend;
            let Some(binding) = session.binding(b.hash) else { return };
            let (backend_session, version) = (binding.session.clone(), binding.version);
            drop(binding);
            let link = Link { session: &backend_session, version: Some(version) };
            client::cancel(&gw, b, link, &id, reason).await;
        });
    }
}

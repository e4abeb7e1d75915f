//! `tools/call`: from the exposed name to bytes on their way to a backend. Nothing is allocated when the
//! backend session is open and a pooled connection takes the bytes at once.

use super::call::Call;
use super::kept::Kept;
use super::post::{Message, slow};
use super::record::{self, Record};
use super::request::Conn;
use super::slow::SlowKind;
use super::{Arrival, Step, reply};
use crate::admission::Admitted;
use crate::client::{Link, write_link};
use crate::endpoints::NoPlace;
use crate::io::Io;
use crate::local::{Local, local};
use crate::metrics::Kind;
use crate::session::Session;
use crate::snapshot::{Member, Server, ToolRule};
use crate::upstream::Upstream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Context;
use tidegate_dataplane_codec::http::RequestHead;
use tidegate_dataplane_codec::json;
use tidegate_dataplane_core::catalog::ExposedTool;
use tidegate_dataplane_core::fault::Fault;

/// Up to this size a body is copied behind its head, above it is a slice of its own.
const COPY: usize = 4096;

impl Conn<'_> {
    pub(super) fn tools_call<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        m: &Message<'_>,
        session: Arc<Session>,
    ) -> Step {
        let Some(name) = m.envelope.name.clone() else {
            let fault = Fault::InvalidParams("name must be a string");
            return self.fault_of(cx, io, m.server, Kind::Call, &fault, m.arrival);
        };
        let Some((position, rule)) = find(m, name.clone()) else {
            if !m.server.decided() {
                // the tool may be one of a backend that was not asked yet
                return self.wait(cx, io, m, session, name);
            }
            let fault = local(|l| Fault::unknown_tool(text(l, m, name)));
            return self.fault_of(cx, io, m.server, Kind::Call, &fault, m.arrival);
        };
        let Some(tool) = m.server.catalog.at(position) else {
            return self.fault_of(cx, io, m.server, Kind::Call, &Fault::Internal, m.arrival);
        };
        let member = &m.server.members[usize::from(tool.member)];
        let Some(binding) = session.binding(member.backend.hash) else {
            return self.wait(cx, io, m, session, name);
        };
        let now = member.clock.at(m.arrival.at);
        let link = Link::to(&binding);
        let endpoint = match member.backend.endpoints.place(link.session, link.endpoint, now) {
            Ok(endpoint) => endpoint,
            Err(e) => return self.refuse_call(cx, io, m.server, &unplaced(member, e), m.arrival),
        };
        let breaker = rule.and_then(|r| r.breaker.as_ref());
        let mut admitted = match Admitted::ask(member, breaker, now) {
            Ok(admitted) => admitted,
            Err(fault) => return self.refuse_call(cx, io, m.server, &fault, m.arrival),
        };
        if !admitted.try_slot() {
            return self.wait(cx, io, m, session, name);
        }
        let kept = Kept::if_small(m, name.clone());
        let link = Link { endpoint: Some(endpoint), ..link };
        let (stream, rest) = local(|l| send_call(l, cx, m, member, link, tool, name.clone(), kept.as_ref()));
        let generation = binding.generation();
        drop(binding);
        if stream.is_none() && member.backend.endpoints.get(endpoint).is_err() {
            // nothing was sent: it waits for another session, if there is a place for one
            return self.wait(cx, io, m, session, name);
        }
        self.call = Some(Call {
            generation,
            endpoint: Some(endpoint),
            bound: rule.and_then(|r| r.timeout).unwrap_or(member.call_timeout),
            record: Record::new(m.server, Kind::Call, m.arrival),
            admitted,
            session,
            position,
            prepared: true,
            stream,
            rest,
            kept,
            progress: m.envelope.progress_token,
            arrival: m.arrival,
        });
        Step::Call
    }

    /// Keeps a call that has to wait, if there is room for what it says.
    fn wait<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        m: &Message<'_>,
        session: Arc<Session>,
        name: Range<usize>,
    ) -> Step {
        match Waiting::new(m, name) {
            Some(waiting) => slow(m, Kind::Call, Some(session), SlowKind::Call(waiting)),
            None => self.refuse_call(cx, io, m.server, &Fault::Overloaded, m.arrival),
        }
    }

    /// Answers a call that is not sent.
    fn refuse_call<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        server: &Server,
        fault: &Fault,
        arrival: Arrival,
    ) -> Step {
        record::refused(server, Kind::Call, fault, arrival);
        let answer = self.write_call_fault(fault, arrival);
        self.reply(cx, io, &[&answer], arrival)
    }
}

/// The tool that the request names: its position, and what it has of its own.
fn find<'m>(m: &'m Message<'_>, name: Range<usize>) -> Option<(usize, Option<&'m ToolRule>)> {
    if m.envelope.name_escaped {
        return local(|l| m.server.tool(text(l, m, name)));
    }
    m.server.tool(&m.body[name])
}

/// The name as text, whatever it was written as.
fn text<'t>(l: &'t mut Local, m: &'t Message<'_>, name: Range<usize>) -> &'t [u8] {
    if !m.envelope.name_escaped {
        return &m.body[name];
    }
    l.name.clear();
    match json::unescape(&m.body[name], &mut l.name) {
        Ok(()) => &l.name,
        Err(_) => b"",
    }
}

/// There is no endpoint to send it to.
fn unplaced(member: &Member, why: NoPlace) -> Fault {
    Fault::BackendUnavailable { workload: member.workload.clone(), reason: why.public() }
}

/// Writes the request to a pooled connection. What is left to send comes back, with the connection if
/// there was one.
#[expect(clippy::too_many_arguments, reason = "the parts of one request, each used once")]
fn send_call(
    l: &mut Local,
    cx: &mut Context<'_>,
    m: &Message<'_>,
    member: &Member,
    link: Link<'_>,
    tool: &ExposedTool,
    name: Range<usize>,
    kept: Option<&Kept>,
) -> (Option<Upstream>, Vec<u8>) {
    let parts = [&m.body[..name.start], &tool.native_json[..], &m.body[name.end..]];
    let len: usize = parts.iter().map(|p| p.len()).sum();
    l.out.clear();
    l.out.extend_from_slice(b"POST");
    l.out.extend_from_slice(&member.backend.line);
    match kept {
        Some(kept) => l.out.extend_from_slice(kept.fields()),
        None => write_fields(&mut l.out, m.head, m.server),
    }
    write_call_end(&mut l.out, link, len);
    let whole;
    let split;
    let bufs: &[&[u8]] = if len <= COPY {
        parts.iter().for_each(|p| l.out.extend_from_slice(p));
        whole = [&l.out[..]];
        &whole
    } else {
        split = [&l.out[..], parts[0], parts[1], parts[2]];
        &split
    };
    let endpoint = link.endpoint;
    while let Some(mut stream) = endpoint.and_then(|e| l.pool.take(&member.backend, e, m.arrival.at)) {
        // a connection that refuses the first byte has gone: nothing was sent on it, so another may be used
        if let Ok(rest) = reply::send(cx, &mut stream, bufs) {
            return (Some(stream), rest);
        }
    }
    (None, bufs.concat())
}

/// What ends the head of a call.
pub(super) fn write_call_end(out: &mut Vec<u8>, link: Link<'_>, len: usize) {
    write_link(out, link);
    out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}

/// The client's fields that go on: who calls and the trace, which every backend may see, and those that the virtual
/// server lists.
pub(super) fn write_fields(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, server: &Server) {
    head.write_told(out);
    for name in &server.spec.passthrough_headers {
        if let Some(value) = head.header(name) {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Bytes of calls that wait, on this node; beyond it calls that would wait are refused.
const MAX_WAITING: usize = 256 << 20;

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// A call that has to wait: for the first lists of the backends, for its turn, or for its backend session.
pub(super) struct Waiting {
    pub(super) kept: Kept,
    pub(super) progress: bool,
    pub(super) weight: Weight,
}

/// What a waiting call takes of [`MAX_WAITING`].
pub(super) struct Weight(usize);

impl Waiting {
    fn new(m: &Message<'_>, name: Range<usize>) -> Option<Self> {
        let weight = Weight::take(m.body.len())?;
        Some(Self { kept: Kept::new(m, name), progress: m.envelope.progress_token, weight })
    }
}

impl Weight {
    fn take(bytes: usize) -> Option<Self> {
        let more = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= MAX_WAITING);
        WAITING.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Self(bytes))
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        WAITING.fetch_sub(self.0, Relaxed);
    }
}

//! `tools/call`: from the exposed name to bytes on their way to a backend. Nothing is allocated when the
//! backend session is open and a pooled connection takes the bytes at once.

use super::call::Call;
use super::post::{Message, slow};
use super::request::Conn;
use super::slow::SlowKind;
use super::{Arrival, Record, Step, reply};
use crate::client::{Link, write_link};
use crate::io::Io;
use crate::local::{Local, local};
use crate::metrics::Kind;
use crate::session::Session;
use crate::snapshot::{Member, Server};
use pingora_core::protocols::Stream;
use std::ops::Range;
use std::sync::Arc;
use std::task::Context;
use tidegate_dataplane_codec::http::RequestHead;
use tidegate_dataplane_codec::json;
use tidegate_dataplane_core::catalog::ExposedTool;
use tidegate_dataplane_core::fault::Fault;

/// Up to this size a body is copied behind its head, above it is a slice of its own.
const COPY: usize = 4096;

/// Fields of the client's request that every backend may see: who calls, and the trace.
const FORWARDED: [&str; 4] = ["user-agent", "traceparent", "tracestate", "baggage"];

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
        let Some(tool) = find(m, name.clone()) else {
            if !m.server.decided() {
                // the tool may be one of a backend that was not asked yet
                return slow(m, Kind::Call, Some(session), SlowKind::Call(Unsent::new(m, name)));
            }
            let fault = local(|l| Fault::unknown_tool(text(l, m, name)));
            return self.fault_of(cx, io, m.server, Kind::Call, &fault, m.arrival);
        };
        let member = &m.server.members[usize::from(tool.member)];
        let Some(binding) = session.binding(member.backend.hash) else {
            return slow(m, Kind::Call, Some(session), SlowKind::Call(Unsent::new(m, name)));
        };
        let link = Link { session: &binding.session, version: Some(binding.version) };
        let sent = local(|l| send_call(l, cx, m, member, link, tool, name));
        drop(binding);
        Step::Call(Call {
            record: Record::new(m.server, Kind::Call),
            member: member.clone(),
            session,
            stream: sent.0,
            rest: sent.1,
            progress: m.envelope.progress_token,
            arrival: m.arrival,
        })
    }
}

/// The tool that the request names.
fn find<'m>(m: &'m Message<'_>, name: Range<usize>) -> Option<&'m ExposedTool> {
    if m.envelope.name_escaped {
        return local(|l| m.server.catalog.tool(text(l, m, name)));
    }
    m.server.catalog.tool(&m.body[name])
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

/// Writes the request to a pooled connection. What is left to send comes back, with the connection if
/// there was one.
fn send_call(
    l: &mut Local,
    cx: &mut Context<'_>,
    m: &Message<'_>,
    member: &Member,
    link: Link<'_>,
    tool: &ExposedTool,
    name: Range<usize>,
) -> (Option<Stream>, Vec<u8>) {
    let parts = [&m.body[..name.start], &tool.native_json[..], &m.body[name.end..]];
    let len: usize = parts.iter().map(|p| p.len()).sum();
    write_head(&mut l.out, member, m.head, m.server, link, len);
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
    while let Some(mut stream) = l.pool.take(&member.backend, m.arrival.at) {
        // a connection that refuses the first byte has gone: nothing was sent on it, so another may be used
        if let Ok(rest) = reply::send(cx, &mut stream, bufs) {
            return (Some(stream), rest);
        }
    }
    (None, bufs.concat())
}

fn write_head(
    out: &mut Vec<u8>,
    member: &Member,
    head: &RequestHead<'_, '_>,
    server: &Server,
    link: Link<'_>,
    len: usize,
) {
    out.clear();
    out.extend_from_slice(b"POST");
    out.extend_from_slice(&member.backend.line);
    write_fields(out, head, server);
    write_call_end(out, link, len);
}

/// What ends the head of a call.
fn write_call_end(out: &mut Vec<u8>, link: Link<'_>, len: usize) {
    write_link(out, link);
    out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}

/// The client's fields that go on: the few above, and those that the virtual server lists.
fn write_fields(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, server: &Server) {
    let listed = server.spec.passthrough_headers.iter().map(String::as_str);
    for name in FORWARDED.into_iter().chain(listed) {
        if let Some(value) = head.header(name) {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A call that has to wait: for the first lists of the backends, or for its backend session.
pub(super) struct Unsent {
    fields: Vec<u8>,
    body: Vec<u8>,
    /// where the tool's name stands in `body`
    at: Range<usize>,
    /// the name as text
    name: Vec<u8>,
    progress: bool,
}

impl Unsent {
    fn new(m: &Message<'_>, at: Range<usize>) -> Self {
        let mut fields = Vec::new();
        write_fields(&mut fields, m.head, m.server);
        let name = local(|l| text(l, m, at.clone()).to_vec());
        Self { fields, body: m.body.to_vec(), at, name, progress: m.envelope.progress_token }
    }

    /// The exposed name of the tool.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The call, now that there are a tool and a session.
    pub(super) fn into_call(
        self,
        record: Record,
        member: Arc<Member>,
        tool: &ExposedTool,
        session: Arc<Session>,
        link: Link<'_>,
        arrival: Arrival,
    ) -> Call {
        let len = self.body.len() - self.at.len() + tool.native_json.len();
        let mut rest = Vec::with_capacity(len + 512);
        rest.extend_from_slice(b"POST");
        rest.extend_from_slice(&member.backend.line);
        rest.extend_from_slice(&self.fields);
        write_call_end(&mut rest, link, len);
        json::splice(&self.body, &self.at, &tool.native_json, &mut rest);
        Call { record, member, session, stream: None, rest, progress: self.progress, arrival }
    }
}

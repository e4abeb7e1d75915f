//! POST: one JSON-RPC message from the client.

use super::record::{self, Record};
use super::request::Conn;
use super::slow::{Slow, SlowKind};
use super::{Arrival, Step, reply};
use crate::io::Io;
use crate::metrics::Kind;
use crate::session::Session;
use crate::snapshot::Server;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::task::Context;
use tidegate_dataplane_codec::http::{self, RequestHead};
use tidegate_dataplane_codec::json::{self, Envelope, Peek};
use tidegate_dataplane_core::dispatch::{self, Action};
use tidegate_dataplane_core::fault::Fault;
use tidegate_dataplane_core::protocol::ProtocolVersion;

/// Longest `clientInfo` that a token carries, bytes.
const MAX_CLIENT_INFO: usize = 512;

/// A message, and where it came from.
pub(super) struct Message<'m> {
    pub(super) head: &'m RequestHead<'m, 'm>,
    pub(super) body: &'m [u8],
    pub(super) envelope: &'m Envelope,
    pub(super) server: &'m Arc<Server>,
    pub(super) arrival: Arrival,
}

impl Message<'_> {
    pub(super) fn part(&self, range: &Option<Range<usize>>) -> &[u8] {
        range.clone().map_or(&b""[..], |r| &self.body[r])
    }

    /// The method's text, whatever it was written as.
    fn method(&self) -> Option<Cow<'_, [u8]>> {
        let inside = &self.body[self.envelope.method.clone()?];
        if !self.envelope.method_escaped {
            return Some(inside.into());
        }
        let mut text = Vec::new();
        json::unescape(inside, &mut text).ok()?;
        Some(text.into())
    }
}

impl Conn<'_> {
    pub(super) fn post<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        head: &RequestHead<'_, '_>,
        body: &[u8],
        server: &Arc<Server>,
        arrival: Arrival,
    ) -> Step {
        let envelope = match envelope(head, body) {
            Ok(envelope) => envelope,
            Err(fault) => return self.fault_of(cx, io, server, Kind::Other, &fault, arrival),
        };
        let m = Message { head, body, envelope: &envelope, server, arrival };
        self.id.extend_from_slice(m.part(&envelope.id));
        let action = dispatch::classify(m.method().as_deref(), envelope.id.is_some());
        if action == Action::Initialize {
            return self.initialize(&m);
        }
        let session = match self.session(head, server) {
            Ok(session) => session,
            Err(fault) => return self.fault_of(cx, io, server, kind(action), &fault, arrival),
        };
        self.in_session(cx, io, &m, action, session)
    }

    fn in_session<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        m: &Message<'_>,
        action: Action,
        session: Arc<Session>,
    ) -> Step {
        match action {
            Action::ToolsCall => self.tools_call(cx, io, m, session),
            Action::ToolsList => self.tools_list(cx, io, m, session),
            Action::Ping => self.answer(cx, io, m, Kind::Ping, b"{}"),
            Action::Cancelled if m.envelope.request_id.is_some() => {
                let kind = SlowKind::Cancelled { body: m.body.into() };
                slow(m, Kind::Notification, Some(session), kind)
            }
            Action::Initialized | Action::Cancelled | Action::Notification | Action::Response => {
                record::answered(m.server, Kind::Notification, m.arrival);
                self.reply(cx, io, &[&reply::json(202, &[], m.arrival.close, b"")], m.arrival)
            }
            Action::Unsupported | Action::Initialize => {
                self.fault_of(cx, io, m.server, Kind::Other, &Fault::MethodNotFound, m.arrival)
            }
        }
    }

    fn initialize(&mut self, m: &Message<'_>) -> Step {
        let version = ProtocolVersion::negotiate(m.part(&m.envelope.protocol_version));
        let info = m.part(&m.envelope.client_info);
        let info = if info.len() <= MAX_CLIENT_INFO { info } else { b"" };
        slow(m, Kind::Initialize, None, SlowKind::Initialize { version, client_info: info.into() })
    }

    fn tools_list<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        m: &Message<'_>,
        session: Arc<Session>,
    ) -> Step {
        if m.envelope.cursor {
            return self.fault_of(cx, io, m.server, Kind::List, &Fault::InvalidCursor, m.arrival);
        }
        if !m.server.decided() {
            return slow(m, Kind::List, Some(session), SlowKind::List);
        }
        if let Some(fault) = m.server.incomplete() {
            return self.fault_of(cx, io, m.server, Kind::List, &fault, m.arrival);
        }
        self.answer(cx, io, m, Kind::List, m.server.listing.bytes())
    }

    /// Answers with a result that is there already.
    pub(super) fn answer<C: Io>(
        &self,
        cx: &mut Context<'_>,
        io: &mut C,
        m: &Message<'_>,
        kind: Kind,
        result: &[u8],
    ) -> Step {
        record::answered(m.server, kind, m.arrival);
        crate::local::local(|l| {
            write_result_head(&mut l.out, &self.id, result.len(), m.arrival.close);
            self.reply(cx, io, &[&l.out, result, b"}"], m.arrival)
        })
    }
}

/// Everything before the result: head and envelope.
pub(super) fn write_result_head(out: &mut Vec<u8>, id: &[u8], result: usize, close: bool) {
    const OPEN: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
    const RESULT: &[u8] = br#","result":"#;
    out.clear();
    reply::head(out, 200, &[("content-type", "application/json")], close);
    out.extend_from_slice(b"content-length: ");
    let len = OPEN.len() + id.len() + RESULT.len() + result + 1;
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(OPEN);
    out.extend_from_slice(id);
    out.extend_from_slice(RESULT);
}

pub(super) fn slow(m: &Message<'_>, kind: Kind, session: Option<Arc<Session>>, then: SlowKind) -> Step {
    Step::Slow(Box::new(Slow {
        record: Record::new(m.server, kind, m.arrival),
        session,
        kind: then,
        arrival: m.arrival,
    }))
}

/// The message, if the request may carry one and it is one.
fn envelope(head: &RequestHead<'_, '_>, body: &[u8]) -> Result<Envelope, Fault> {
    if !http::is_json(head.content_type) {
        return Err(Fault::UnsupportedMediaType);
    }
    if !accepts_answers(head) {
        return Err(Fault::PostNotAcceptable);
    }
    match json::peek(body) {
        Ok(Peek::Message(e)) if e.jsonrpc => Ok(e),
        Ok(Peek::Message(_)) => Err(Fault::InvalidRequest("jsonrpc must be \"2.0\"")),
        Ok(Peek::Batch) => Err(Fault::BatchUnsupported),
        Err(e) => Err(fault_of_json(&e)),
    }
}

/// Does the client take both kinds of answer? Without `Accept` it takes anything (RFC 9110, 12.5.1).
fn accepts_answers(head: &RequestHead<'_, '_>) -> bool {
    match head.accept {
        None | Some(b"application/json, text/event-stream") => true,
        Some(_) => head.accepts("application/json") && head.accepts("text/event-stream"),
    }
}

fn fault_of_json(e: &json::JsonError) -> Fault {
    match e {
        json::JsonError::Malformed(_) => Fault::ParseError,
        json::JsonError::Duplicate(_) => Fault::InvalidRequest("a member is repeated"),
        json::JsonError::NotAnObject => Fault::InvalidRequest("not an object"),
        json::JsonError::TooDeep => Fault::InvalidRequest("nested too deeply"),
        _ => Fault::InvalidRequest("not a JSON-RPC message"),
    }
}

fn kind(action: Action) -> Kind {
    match action {
        Action::ToolsCall => Kind::Call,
        Action::ToolsList => Kind::List,
        Action::Initialize => Kind::Initialize,
        Action::Ping => Kind::Ping,
        Action::Initialized | Action::Cancelled | Action::Notification | Action::Response => {
            Kind::Notification
        }
        Action::Unsupported => Kind::Other,
    }
}

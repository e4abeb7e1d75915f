//! From a whole request to what becomes of it: which virtual server, which endpoint, which method.

use super::record::{self, Record};
use super::reply::{self, id_or_null};
use super::request::Conn;
use super::slow::{Slow, SlowKind};
use super::{Arrival, Step};
use crate::io::Io;
use crate::metrics::Kind;
use crate::snapshot::{Server, Snapshot};
use std::sync::Arc;
use std::task::Context;
use tidegate_dataplane_codec::http::RequestHead;
use tidegate_dataplane_core::fault::Fault;
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tidegate_dataplane_core::route::{self, Endpoint, Routes};

use crate::local::local;
use crate::session::Session;

impl Conn<'_> {
    /// Acts on one request. It sees one snapshot, from here to its end.
    pub(super) fn decide<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        head: &RequestHead<'_, '_>,
        body: &[u8],
    ) -> Step {
        let arrival = Arrival { close: head.close || self.site.gw.is_draining(), ..self.arrival() };
        self.now = arrival.at;
        self.id.clear();
        let snapshot = self.site.gw.snapshot();
        let (server, endpoint) = match self.locate(&snapshot, head) {
            Ok(found) => found,
            Err(fault) => {
                // liveness and readiness are the process's: they are answered before there is any table
                return match Routes::own_port(head.target.as_bytes()) {
                    Some(endpoint @ (Endpoint::Health | Endpoint::Ready)) => {
                        self.operational(cx, io, head, None, endpoint, arrival)
                    }
                    _ => {
                        record::stray(&fault, arrival);
                        self.fault(cx, io, &fault, arrival)
                    }
                };
            }
        };
        if endpoint != Endpoint::Mcp {
            return self.operational(cx, io, head, Some(server), endpoint, arrival);
        }
        if let Some(fault) = self.forbidden(&snapshot, head) {
            return self.fault_of(cx, io, server, Kind::Other, &fault, arrival);
        }
        match head.method {
            "POST" => self.post(cx, io, head, body, server, arrival),
            "GET" => self.get(cx, io, head, server, arrival),
            "DELETE" => self.delete(cx, io, head, server, arrival),
            _ => self.fault_of(cx, io, server, Kind::Other, &Fault::MethodNotAllowed, arrival),
        }
    }

    fn locate<'n>(
        &self,
        snapshot: &'n Snapshot,
        head: &RequestHead<'_, '_>,
    ) -> Result<(&'n Arc<Server>, Endpoint), Fault> {
        let path = head.target.as_bytes();
        if let Some(owner) = &self.site.owner {
            let endpoint = Routes::own_port(path).ok_or(Fault::UnknownVirtualServer)?;
            let server = snapshot.server(owner).ok_or(Fault::UnknownVirtualServer)?;
            return Ok((server, endpoint));
        }
        let (index, endpoint) =
            snapshot.routes.select(head.host, path).map_err(|_| Fault::UnknownVirtualServer)?;
        Ok((&snapshot.servers[index], endpoint))
    }

    /// DNS rebinding: a page in a browser on this machine must not reach a gateway on loopback.
    fn forbidden(&self, snapshot: &Snapshot, head: &RequestHead<'_, '_>) -> Option<Fault> {
        let o = &self.site.gw.options;
        if !route::host_allowed(self.peer.loopback, head.host, &o.allowed_hosts, &snapshot.routes) {
            return Some(Fault::HostForbidden);
        }
        let origin = head.origin?;
        (!route::origin_allowed(origin, head.host, &o.allowed_origins)).then_some(Fault::OriginForbidden)
    }

    fn get<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        head: &RequestHead<'_, '_>,
        server: &Arc<Server>,
        arrival: Arrival,
    ) -> Step {
        if !head.accepts("text/event-stream") {
            return self.fault_of(cx, io, server, Kind::Stream, &Fault::NotAcceptable, arrival);
        }
        self.with_session(cx, io, head, server, Kind::Stream, arrival, SlowKind::Stream)
    }

    fn delete<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        head: &RequestHead<'_, '_>,
        server: &Arc<Server>,
        arrival: Arrival,
    ) -> Step {
        self.with_session(cx, io, head, server, Kind::Delete, arrival, SlowKind::Delete)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request, each used once")]
    fn with_session<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        head: &RequestHead<'_, '_>,
        server: &Arc<Server>,
        kind: Kind,
        arrival: Arrival,
        then: SlowKind,
    ) -> Step {
        match self.session(head, server) {
            Ok(session) => Step::Slow(Box::new(Slow {
                record: Record::new(server, kind, arrival),
                session: Some(session),
                kind: then,
                arrival,
            })),
            Err(fault) => self.fault_of(cx, io, server, kind, &fault, arrival),
        }
    }

    /// The session that the request names.
    pub(super) fn session(&self, head: &RequestHead<'_, '_>, server: &Server) -> Result<Arc<Session>, Fault> {
        if let Some(v) = head.protocol_version
            && ProtocolVersion::parse(v).is_none()
        {
            return Err(Fault::UnsupportedProtocolVersion);
        }
        let token = head.session.ok_or(Fault::MissingSession)?;
        let gw = &self.site.gw;
        local(|l| l.sessions.get(&gw.sessions, &gw.stats.tokens_opened, server, token))
            .ok_or(Fault::UnknownSession)
    }

    /// Answers with a fault that belongs to a virtual server.
    pub(super) fn fault_of<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        server: &Server,
        kind: Kind,
        fault: &Fault,
        arrival: Arrival,
    ) -> Step {
        record::refused(server, kind, fault, arrival);
        self.fault(cx, io, fault, arrival)
    }

    /// Answers with a fault.
    pub(super) fn fault<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        fault: &Fault,
        arrival: Arrival,
    ) -> Step {
        let answer = self.write_fault(fault, arrival);
        self.reply(cx, io, &[&answer], arrival)
    }

    /// The bytes that answer with a fault; it is counted here, once.
    pub(super) fn write_fault(&self, fault: &Fault, arrival: Arrival) -> Vec<u8> {
        self.site.gw.stats.fault(fault.code());
        tracing::debug!(fault = fault.code(), "request refused");
        reply::with_fault(fault.http_status(), fault, arrival.close, &fault.body(id_or_null(&self.id)))
    }

    /// Sends a whole answer.
    pub(super) fn reply<C: Io>(
        &self,
        cx: &mut Context<'_>,
        io: &mut C,
        bufs: &[&[u8]],
        arrival: Arrival,
    ) -> Step {
        match reply::send(cx, io, bufs) {
            Ok(rest) => Step::Replied { rest, close: arrival.close },
            Err(_) => Step::End,
        }
    }
}

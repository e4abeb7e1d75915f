//! What takes more than one poll: opening and ending sessions, cancelling, waiting for a first list.

use super::Arrival;
use super::call::Call;
use super::forward::Waiting;
use super::opening::Opening;
use super::post::write_result_head;
use super::record::Record;
use super::reply;
use super::request::Conn;
use crate::admission::Admitted;
use crate::client::{self, Link};
use crate::clients::What;
use crate::io::Io;
use crate::local::local;
use crate::metrics::{End, inc};
use crate::session::{Session, unix_now};
use crate::snapshot::Server;
use futures_util::future::join_all;
use ring::rand::SecureRandom;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_dataplane_codec::json;
use tidegate_dataplane_core::catalog;
use tidegate_dataplane_core::fault::Fault;
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tidegate_dataplane_core::token::McpSession;
use tidegate_proto::table::PartialFailure;

/// Bound of what is done for a client that has left or leaves.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a first `tools/list` waits for backends that were never reached.
const FIRST_LIST: Duration = Duration::from_secs(3);

pub(super) struct Slow {
    pub(super) record: Record,
    pub(super) session: Option<Arc<Session>>,
    pub(super) kind: SlowKind,
    pub(super) arrival: Arrival,
}

pub(super) enum SlowKind {
    Initialize {
        version: ProtocolVersion,
        client_info: Box<[u8]>,
    },
    /// a list before every backend was tried once
    List,
    /// a call before every backend was tried once, or to a backend whose session is not open
    Call(Waiting),
    Cancelled {
        body: Box<[u8]>,
    },
    Delete,
    Stream,
}

impl Conn<'_> {
    /// Runs it to its end; false when the client's connection ends with it.
    pub(super) async fn slow<C: Io>(&mut self, io: &mut C, slow: Slow) -> bool {
        let Slow { mut record, session, kind, arrival } = slow;
        let answer = match (kind, session) {
            (SlowKind::Initialize { version, client_info }, _) => {
                self.open_session(&record.server, version, &client_info, arrival).await
            }
            (SlowKind::Call(request), Some(session)) => {
                return self.slow_call(io, record, request, session, arrival).await;
            }
            (SlowKind::Stream, Some(session)) => return self.stream(io, record, session, arrival).await,
            (SlowKind::List, Some(_)) => self.first_list(&record.server, arrival).await,
            (SlowKind::Cancelled { body }, Some(session)) => {
                self.forward_cancelled(&record.server, &session, &body);
                Ok(reply::json(202, &[], arrival.close, b""))
            }
            (SlowKind::Delete, Some(session)) => {
                self.end_session(&record.server, &session).await;
                Ok(reply::json(200, &[], arrival.close, b""))
            }
            (_, None) => Err(Fault::MissingSession),
        };
        match &answer {
            Ok(_) => record.end = End::Ok,
            Err(fault) => record.fail(End::Fault, fault),
        }
        let answer = answer.unwrap_or_else(|fault| self.write_fault(&fault, arrival));
        self.deadline.arm(Instant::now(), self.site.gw.options.read);
        self.flush(io, &answer).await && !arrival.close
    }

    /// Opens a session at the backends that are well, as many as a token has room for. Those that take longer than
    /// they usually do, and the rest, are opened beside the path or at their first call: nobody waits for them.
    async fn open_session(
        &mut self,
        server: &Arc<Server>,
        version: ProtocolVersion,
        client_info: &[u8],
        arrival: Arrival,
    ) -> Result<Vec<u8>, Fault> {
        let sealer = server.sealer.clone().ok_or(Fault::NotReady)?;
        let place =
            self.site.gw.clients.take(self.peer.address, What::Session).map_err(|_| Fault::Overloaded)?;
        // where every backend is required, those that are new get a moment to answer
        let partial = |s: &Server| s.spec.partial_failure == PartialFailure::BestEffort;
        let server = self.decided(server, partial).await;
        if let Some(fault) = server.incomplete() {
            return Err(fault);
        }
        let mut opened = Opening::start(&self.site.gw, &server, version, client_info);
        let (all, stays): (Vec<_>, Vec<_>) =
            opened.ready().await.into_iter().map(|o| (o.binding, o.stay)).unzip();
        let mut random = [0u8; 28];
        self.site.gw.random.fill(&mut random).map_err(|_| Fault::Internal)?;
        let (id, nonce) = random.split_at(16);
        let now = unix_now();
        let mut content = McpSession {
            id: id.try_into().map_err(|_| Fault::Internal)?,
            version,
            issued_unix: now,
            expires_unix: now + self.site.gw.options.session.as_secs(),
            principal: Box::default(),
            client_info: client_info.into(),
            // a copy has no room to grow, which it would keep for as long as the session
            bindings: all.clone(),
        };
        content.fit();
        let nonce = nonce.try_into().map_err(|_| Fault::Internal)?;
        let token = sealer.seal(server.id(), &content, nonce);
        let sealed = content.bindings.len();
        let session = Session::new(&token, server.id(), content);
        session.hold(place);
        for (n, (binding, stay)) in all.into_iter().zip(stays).enumerate() {
            // what did not fit into the token is known to this node only
            if n < sealed {
                session.stay(binding.backend, stay);
            } else {
                session.bind(binding, stay);
            }
        }
        let session = self.site.gw.sessions.remember(session);
        local(|l| l.sessions.sealed(&sealer, &session));
        opened.bind_late(&session);
        inc(&self.site.gw.stats.sessions_created);
        Ok(self.write_initialized(&server, version, &token, arrival))
    }

    fn write_initialized(
        &self,
        server: &Server,
        version: ProtocolVersion,
        token: &str,
        arrival: Arrival,
    ) -> Vec<u8> {
        let mut result = Vec::with_capacity(256);
        result.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        result.extend_from_slice(&self.id);
        result.extend_from_slice(br#","result":{"protocolVersion":""#);
        result.extend_from_slice(version.as_str().as_bytes());
        result
            .extend_from_slice(br#"","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":""#);
        json::escape(&server.spec.server_name, &mut result);
        result.extend_from_slice(br#"","version":""#);
        result.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
        result.extend_from_slice(br#""}"#);
        if !server.missing.is_empty() {
            let names: Vec<&str> = server.missing.iter().map(|name| &**name).collect();
            result.push(b',');
            result.extend_from_slice(catalog::missing_meta(&names).as_bytes());
        }
        result.extend_from_slice(b"}}");
        reply::json(200, &[("mcp-session-id", token)], arrival.close, &result)
    }

    /// A call that had to wait. It sees the snapshot in which its tool turned up.
    async fn slow_call<C: Io>(
        &mut self,
        io: &mut C,
        mut record: Record,
        waiting: Waiting,
        session: Arc<Session>,
        mut arrival: Arrival,
    ) -> bool {
        let Waiting { kept, progress, weight: _weight } = waiting;
        let name = kept.exposed();
        if record.server.tool(&name).is_none() {
            record.server = self.decided(&record.server, |s| s.tool(&name).is_some()).await;
            // waiting for the list is not waiting for the backend
            arrival.at = Instant::now();
        }
        let server = record.server.clone();
        let found = server.tool(&name).and_then(|(at, rule)| Some((at, server.catalog.at(at)?, rule)));
        let Some((position, tool, rule)) = found else {
            let fault = Fault::unknown_tool(&name);
            record.fail(End::Fault, &fault);
            let answer = self.write_fault(&fault, arrival);
            self.deadline.arm(Instant::now(), self.site.gw.options.read);
            return self.flush(io, &answer).await && !arrival.close;
        };
        let member = &server.members[usize::from(tool.member)];
        let breaker = rule.and_then(|r| r.breaker.as_ref());
        let admitted = match Admitted::ask(member, breaker, self.site.gw.clock.now()) {
            Ok(admitted) => admitted,
            Err(fault) => {
                record.tool = Some(position);
                record.fail(End::Fault, &fault);
                return self.call_fault(io, &fault, arrival).await;
            }
        };
        let mut call = Call {
            bound: rule.and_then(|r| r.timeout).unwrap_or(member.call_timeout),
            record,
            admitted,
            session,
            generation: 0,
            endpoint: None,
            position,
            prepared: false,
            stream: None,
            rest: Vec::new(),
            kept: Some(kept),
            progress,
            arrival,
        };
        self.call(io, &mut call).await
    }

    async fn first_list(&self, server: &Arc<Server>, arrival: Arrival) -> Result<Vec<u8>, Fault> {
        let server = self.decided(server, |_| false).await;
        if let Some(fault) = server.incomplete() {
            return Err(fault);
        }
        let list = server.listing.bytes();
        let mut out = Vec::new();
        write_result_head(&mut out, &self.id, list.len(), arrival.close);
        out.extend_from_slice(list);
        out.push(b'}');
        Ok(out)
    }

    /// The server once every backend was tried, or `enough` of it is known, or time is up.
    async fn decided(&self, server: &Arc<Server>, enough: impl Fn(&Server) -> bool) -> Arc<Server> {
        let mut swaps = self.site.gw.swapped.subscribe();
        let until = tokio::time::Instant::now() + FIRST_LIST;
        let mut latest = server.clone();
        loop {
            match self.site.gw.snapshot().server(server.id()) {
                Some(s) => latest = s.clone(),
                None => return latest,
            }
            if latest.decided()
                || enough(&latest)
                || tokio::time::timeout_at(until, swaps.changed()).await.is_err()
            {
                return latest;
            }
        }
    }

    /// To every backend of the session: which of them has the request is known only to the connection that
    /// carries it, perhaps on another node; the others ignore an id that they do not know.
    fn forward_cancelled(&self, server: &Arc<Server>, session: &Arc<Session>, body: &[u8]) {
        let (gw, server, session) = (self.site.gw.clone(), server.clone(), session.clone());
        let body: Box<[u8]> = body.into();
        tokio::spawn(async move {
            let bindings = session.bindings();
            let sends = bindings.iter().filter_map(|binding| {
                let b = &server.member_of(binding.backend)?.backend;
                let link = Link::to(binding);
                let turn = b.own.try_acquire().ok()?;
                let gw = &gw;
                let body = &body;
                Some(async move {
                    let sent = client::notify(gw, b, link, body, FAREWELL).await;
                    drop(turn);
                    sent
                })
            });
            join_all(sends).await;
        });
    }

    async fn end_session(&self, server: &Server, session: &Session) {
        if !session.finish() {
            return;
        }
        let bindings = session.bindings();
        let ends = bindings.iter().filter_map(|binding| {
            let b = &server.member_of(binding.backend)?.backend;
            Some(client::delete(&self.site.gw, b, Link::to(binding), FAREWELL))
        });
        join_all(ends).await;
    }
}

//! What takes more than one poll: opening and ending sessions, cancelling, waiting for a first list.

use super::forward::Unsent;
use super::post::write_result_head;
use super::reply;
use super::request::Conn;
use super::{Arrival, Record};
use crate::backend::Reach;
use crate::client::{self, Link, Opened};
use crate::io::Io;
use crate::metrics::{End, inc};
use crate::session::{Session, unix_now};
use crate::snapshot::{Member, Server};
use futures_util::future::join_all;
use ring::rand::SecureRandom;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_dataplane_codec::json;
use tidegate_dataplane_core::fault::Fault;
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tidegate_dataplane_core::token::{Binding, McpSession};

/// Bound of what is done for a client that has left or leaves.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a first `tools/list` waits for backends that were never reached.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// Most backend sessions that `initialize` opens: about as many as fit into a token.
const AT_ONCE: usize = 48;

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
    Call(Unsent),
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
            (SlowKind::Stream, Some(session)) => return self.stream(io, record, session).await,
            (SlowKind::List, Some(_)) => Ok(self.first_list(&record.server, arrival).await),
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
        record.end = if answer.is_ok() { End::Ok } else { End::Fault };
        let answer = answer.unwrap_or_else(|fault| self.write_fault(&fault, arrival));
        self.deadline.arm(Instant::now(), self.site.gw.options.read);
        self.flush(io, &answer).await && !arrival.close
    }

    /// Opens a session at the backends that are not known to be down, as many as a token has room for. Those
    /// that do not answer in time, and the rest, are opened at their first call.
    async fn open_session(
        &mut self,
        server: &Arc<Server>,
        version: ProtocolVersion,
        client_info: &[u8],
        arrival: Arrival,
    ) -> Result<Vec<u8>, Fault> {
        let sealer = server.sealer.as_ref().ok_or(Fault::NotReady)?;
        let reachable = server.members.iter().filter(|m| m.backend.shared.reach() == Reach::Up);
        let opened =
            join_all(reachable.take(AT_ONCE).map(|m| self.open_backend(m, version, client_info))).await;
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
            bindings: opened.into_iter().flatten().collect(),
        };
        let all = content.bindings.clone();
        content.fit();
        let nonce = nonce.try_into().map_err(|_| Fault::Internal)?;
        let token = sealer.seal(server.id(), &content, nonce);
        let sealed = content.bindings.len();
        let session = Session::new(&token, server.id(), content);
        // what did not fit into the token is known to this node only
        all.into_iter().skip(sealed).for_each(|b| session.bind(b));
        self.site.gw.sessions.remember(&session);
        inc(&self.site.gw.stats.sessions_created);
        Ok(self.write_initialized(server, version, &token, arrival))
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
        result.extend_from_slice(br#""}}}"#);
        reply::json(200, &[("mcp-session-id", token)], arrival.close, &result)
    }

    async fn open_backend(&self, m: &Member, version: ProtocolVersion, info: &[u8]) -> Option<Binding> {
        let limit = m.call_timeout.min(self.site.gw.options.initialize);
        match client::initialize(&self.site.gw, &m.backend, version, info, limit).await {
            Ok(Opened { binding, .. }) => Some(binding),
            Err(e) => {
                tracing::info!(backend = %m.backend.spec.id, error = %e, "session not opened, tried again at the first call");
                None
            }
        }
    }

    /// A call that had to wait. It sees the snapshot in which its tool turned up.
    async fn slow_call<C: Io>(
        &mut self,
        io: &mut C,
        mut record: Record,
        request: Unsent,
        session: Arc<Session>,
        arrival: Arrival,
    ) -> bool {
        let has = |s: &Server| s.catalog.tool(request.name()).is_some();
        let server = self.decided(&record.server, has).await;
        let Some(tool) = server.catalog.tool(request.name()) else {
            record.end = End::Fault;
            let answer = self.write_fault(&Fault::unknown_tool(request.name()), arrival);
            self.deadline.arm(Instant::now(), self.site.gw.options.read);
            return self.flush(io, &answer).await && !arrival.close;
        };
        let member = server.members[usize::from(tool.member)].clone();
        let binding = match self.bind(&session, &member).await {
            Ok(binding) => binding,
            Err(fault) => {
                record.end = End::Fault;
                return self.call_fault(io, &fault, arrival).await;
            }
        };
        let link = Link { session: &binding.session, version: Some(binding.version) };
        let call = request.into_call(record, member, tool, session, link, arrival);
        self.call(io, call).await
    }

    /// The session's link to a backend, opened if there is none.
    async fn bind(&self, session: &Session, member: &Member) -> Result<Binding, Fault> {
        if let Some(open) = session.binding(member.backend.hash) {
            return Ok(open.clone());
        }
        let (gw, s) = (&self.site.gw, &session.content);
        let opened =
            client::initialize(gw, &member.backend, s.version, &s.client_info, member.call_timeout).await;
        let binding = opened.map_err(|e| {
            tracing::info!(backend = %member.backend.spec.id, error = %e, "call failed: no backend session");
            open_fault(&e, member)
        })?;
        session.bind(binding.binding.clone());
        Ok(binding.binding)
    }

    async fn first_list(&self, server: &Arc<Server>, arrival: Arrival) -> Vec<u8> {
        let server = self.decided(server, |_| false).await;
        let list = server.catalog.list().bytes();
        let mut out = Vec::new();
        write_result_head(&mut out, &self.id, list.len(), arrival.close);
        out.extend_from_slice(list);
        out.push(b'}');
        out
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
            let sends = bindings.iter().filter_map(|(backend, id)| {
                let b = &server.member_of(*backend)?.backend;
                let link = Link { session: id, version: Some(session.content.version) };
                Some(client::notify(&gw, b, link, &body, FAREWELL))
            });
            join_all(sends).await;
        });
    }

    async fn end_session(&self, server: &Server, session: &Session) {
        if !session.finish() {
            return;
        }
        let bindings = session.bindings();
        let ends = bindings.iter().filter_map(|(backend, id)| {
            let b = &server.member_of(*backend)?.backend;
            let link = Link { session: id, version: Some(session.content.version) };
            Some(client::delete(&self.site.gw, b, link, FAREWELL))
        });
        join_all(ends).await;
    }
}

fn open_fault(e: &client::ExchangeError, member: &Member) -> Fault {
    let workload = member.workload.clone();
    match e {
        client::ExchangeError::Timeout(_) => Fault::BackendTimeout {
            workload,
            limit_ms: u64::try_from(member.call_timeout.as_millis()).unwrap_or(u64::MAX),
        },
        client::ExchangeError::Connect(c) => Fault::BackendUnavailable { workload, reason: c.public() },
        client::ExchangeError::Protocol(_) | client::ExchangeError::Http(_) => {
            Fault::BackendProtocol { workload }
        }
        _ => Fault::BackendUnavailable { workload, reason: "no session could be opened" },
    }
}

//! The backend's answer on its way to the client: the head rewritten, the body as it comes.

use super::complaint::{self, Complaint};
use super::reply::send;
use super::request::Conn;
use crate::endpoints::NoPlace;
use crate::io::Io;
use crate::local::{Local, local};
use std::io::IoSlice;
use std::task::{Context, Poll, Poll::Pending, Poll::Ready};
use std::time::{Duration, Instant, SystemTime};
use tidegate_dataplane_codec::chunked::BodyFollower;
use tidegate_dataplane_codec::http::{self, ContentType, ResponseFraming, ResponseHead};
use tidegate_dataplane_codec::sse;
use tidegate_dataplane_core::fault::Fault;

/// Up to this size the first part of a body is copied behind its head.
const COPY: usize = 4096;

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The whole answer went on; may the backend's connection be used again?
    Complete { reusable: bool },
    /// The client went away.
    Client,
    /// The bound of the call passed.
    Deadline,
    /// The backend does not know its session.
    SessionLost,
    /// There is no endpoint to send it to, or not the one where its session is: nothing was sent.
    Unplaced(NoPlace),
    /// No connection could be had: nothing was sent.
    Unconnected(&'static str),
    /// The connection broke; the request may have been accepted.
    Broken(&'static str),
    /// An HTTP status that is a refusal or a failure.
    Refused {
        status: u16,
        /// What `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// Not HTTP.
    NotHttp,
    /// HTTP, but not what MCP answers with.
    NotMcp,
    /// The gateway itself does not send it.
    Fault(Fault),
}

pub(super) struct Answer {
    /// the head as far as it came, when it did not come in one piece
    head: Vec<u8>,
    /// what the client could not take yet: nothing more is read until it did
    unsent: Vec<u8>,
    body: Option<BodyFollower>,
    started: bool,
    done: bool,
    reusable: bool,
    stalled: Option<Stalled>,
    /// the body ends with the connection, so the client's must end too
    until_close: bool,
    close_client: bool,
    /// set for an event stream that is bounded by silence instead of in all (decision 4)
    idle: Option<Duration>,
    events: bool,
    /// the last byte of data that went on ended an event, or none did yet
    between_events: bool,
}

/// The client takes nothing.
struct Stalled {
    since: Instant,
    /// when the call's own bound passes
    due: Instant,
}

impl Answer {
    /// `idle`: the bound of silence in an event stream, if the client asked for progress.
    pub(super) fn new(idle: Option<Duration>, close_client: bool) -> Self {
        Self {
            head: Vec::new(),
            unsent: Vec::new(),
            body: None,
            started: false,
            done: false,
            reusable: true,
            stalled: None,
            until_close: false,
            close_client,
            idle,
            events: false,
            between_events: true,
        }
    }

    /// Has the client seen any of it?
    pub(super) fn started(&self) -> bool {
        self.started
    }

    /// Ends an event stream in the middle with one more event, if it stands between two; what is to be sent, and
    /// whether the client's connection can go on.
    pub(super) fn last_event(&self, data: &[u8]) -> Option<(Vec<u8>, bool)> {
        let body = self.body.as_ref()?;
        if !self.events || !self.unsent.is_empty() || !self.between_events {
            return None;
        }
        let mut event = Vec::with_capacity(data.len() + 64);
        sse::write_event(&mut event, Some("message"), None, data);
        if self.until_close {
            return Some((event, false));
        }
        if !body.between_chunks() {
            return None;
        }
        let mut out = format!("{:x}\r\n", event.len()).into_bytes();
        out.extend_from_slice(&event);
        out.extend_from_slice(b"\r\n0\r\n\r\n");
        Some((out, true))
    }

    /// The bound of silence, where that is what bounds it.
    pub(super) fn idle_bound(&self) -> Option<Duration> {
        self.idle.filter(|_| self.events)
    }

    /// Since when it is the client that does not go on.
    pub(super) fn stalled(&self) -> Option<Instant> {
        self.stalled.as_ref().map(|stalled| stalled.since)
    }

    pub(super) fn ends_connection(&self) -> bool {
        self.until_close || self.close_client
    }

    /// Moves the answer on.
    pub(super) fn poll<C: Io, U: Io>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        up: &mut U,
        conn: &mut Conn<'_>,
    ) -> Poll<Ended> {
        let mut buf = local(Local::take_scratch);
        let r = self.poll_with(cx, client, up, conn, &mut buf);
        local(|l| l.scratch = buf);
        // nothing to pass on and no end in sight
        if r.is_pending() && self.unsent.is_empty() { conn.watch(cx, client) } else { r }
    }

    fn poll_with<C: Io, U: Io>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        up: &mut U,
        conn: &mut Conn<'_>,
        buf: &mut [u8],
    ) -> Poll<Ended> {
        loop {
            while !self.unsent.is_empty() {
                match client.poll_write(cx, &[IoSlice::new(&self.unsent)]) {
                    Pending => return self.stall(cx, conn),
                    Ready(Err(_)) => return Ready(Ended::Client),
                    Ready(Ok(n)) => drop(self.unsent.drain(..n)),
                }
                self.resume(conn);
            }
            if self.done {
                return Ready(Ended::Complete { reusable: self.reusable });
            }
            let n = match up.poll_read(cx, buf) {
                Pending => break,
                Ready(Ok(0)) if self.until_close => {
                    self.done = true;
                    continue;
                }
                Ready(Ok(0) | Err(_)) => {
                    return Ready(Ended::Broken("connection ended before the answer did"));
                }
                Ready(Ok(n)) => n,
            };
            // the drain may have begun since the request came
            self.close_client |= !self.started && conn.site.gw.is_draining();
            let moved = self.take(cx, client, &buf[..n]);
            if let Err(ended) = moved {
                return Ready(ended);
            }
            if let (true, Some(idle)) = (self.events, self.idle) {
                conn.deadline.arm(Instant::now(), idle);
            }
        }
        if conn.deadline.expired(cx) {
            return Ready(Ended::Deadline);
        }
        Pending
    }

    /// The client takes nothing. It has as long as for reading any answer, within the bound of the call; when
    /// either passes, that is the client's doing and not the backend's.
    fn stall(&mut self, cx: &mut Context<'_>, conn: &mut Conn<'_>) -> Poll<Ended> {
        if self.stalled.is_none() {
            let left = conn.deadline.left();
            let now = Instant::now();
            self.stalled = Some(Stalled { since: now, due: now + left });
            conn.deadline.arm(now, left.min(conn.site.gw.options.read));
        }
        if conn.deadline.expired(cx) {
            conn.slow_reader();
            return Ready(Ended::Client);
        }
        Pending
    }

    /// It took some: the bound of the call is what it was.
    fn resume(&mut self, conn: &mut Conn<'_>) {
        if let Some(Stalled { due, .. }) = self.stalled.take() {
            let now = Instant::now();
            conn.deadline.arm(now, due.saturating_duration_since(now));
        }
    }

    fn take<C: Io>(&mut self, cx: &mut Context<'_>, client: &mut C, b: &[u8]) -> Result<(), Ended> {
        if self.body.is_some() {
            return self.more(cx, client, b);
        }
        if self.head.is_empty() {
            return self.first(cx, client, b);
        }
        let mut all = std::mem::take(&mut self.head);
        all.extend_from_slice(b);
        self.first(cx, client, &all)
    }

    /// The head, and what came with it, in one write.
    fn first<C: Io>(&mut self, cx: &mut Context<'_>, client: &mut C, mut b: &[u8]) -> Result<(), Ended> {
        let mut fields = http::headers();
        loop {
            match http::response(b, &mut fields) {
                Err(_) => return Err(Ended::NotHttp),
                Ok(None) => {
                    self.head = b.to_vec();
                    return Ok(());
                }
                Ok(Some(head)) if head.interim => b = &b[head.head_len..],
                Ok(Some(head)) if complaint::possible(&head) => {
                    match complaint::judge(&head, &b[head.head_len..]) {
                        Complaint::Incomplete => {
                            self.head = b.to_vec();
                            return Ok(());
                        }
                        Complaint::Session => return Err(Ended::SessionLost),
                        Complaint::Other => return self.pass(cx, client, &head, &b[head.head_len..]),
                    }
                }
                Ok(Some(head)) => return self.pass(cx, client, &head, &b[head.head_len..]),
            }
            fields = http::headers();
        }
    }

    fn pass<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        head: &ResponseHead<'_, '_>,
        rest: &[u8],
    ) -> Result<(), Ended> {
        acceptable(head)?;
        let mut body = head.framing.follower();
        let (n, done) = body.feed(rest).map_err(|_| Ended::NotHttp)?;
        self.events = head.content_type == ContentType::EventStream;
        self.note_events(&rest[..n]);
        self.done = done || head.framing == ResponseFraming::Length(0);
        self.until_close = head.framing == ResponseFraming::UntilClose;
        // bytes behind the end belong to no request of ours
        self.reusable = !head.close && n == rest.len();
        self.body = Some(body);
        self.started = true;
        local(|l| {
            l.out.clear();
            head.write_client(&mut l.out);
            if self.events {
                l.out.extend_from_slice(b"x-accel-buffering: no\r\n");
            }
            if self.close_client && !self.until_close {
                l.out.extend_from_slice(b"connection: close\r\n");
            }
            l.out.extend_from_slice(b"\r\n");
            let sent = if n <= COPY {
                l.out.extend_from_slice(&rest[..n]);
                send(cx, client, &[&l.out])
            } else {
                send(cx, client, &[&l.out, &rest[..n]])
            };
            self.unsent = sent.map_err(|_| Ended::Client)?;
            Ok(())
        })
    }

    /// A further piece of the body, as it came.
    fn more<C: Io>(&mut self, cx: &mut Context<'_>, client: &mut C, b: &[u8]) -> Result<(), Ended> {
        let Some(body) = &mut self.body else { return Ok(()) };
        let (n, done) = body.feed(b).map_err(|_| Ended::NotHttp)?;
        self.done = done;
        self.note_events(&b[..n]);
        self.reusable &= n == b.len();
        self.unsent = send(cx, client, &[&b[..n]]).map_err(|_| Ended::Client)?;
        Ok(())
    }
}

impl Answer {
    /// Looks at the end of what goes on, framing included: does an event end with it?
    fn note_events(&mut self, b: &[u8]) {
        if self.events && !b.is_empty() {
            let data = b.strip_suffix(b"\r\n").filter(|d| d.ends_with(b"\n")).unwrap_or(b);
            self.between_events = data.ends_with(b"\n\n") || data.ends_with(b"\n\r\n");
        }
    }
}

/// Which answers go on as they are: results, and errors in the words of MCP.
fn acceptable(head: &ResponseHead<'_, '_>) -> Result<(), Ended> {
    match (head.status, head.content_type) {
        // no coding was asked for, and the client may not know this one
        _ if head.encoded => Err(Ended::NotMcp),
        (200, ContentType::Json | ContentType::EventStream) | (400, ContentType::Json) => Ok(()),
        (404, _) => Err(Ended::SessionLost),
        (status @ (401 | 403 | 429 | 500..=599), _) => {
            Err(Ended::Refused { status, retry_after: head.retry_after.and_then(retry_after) })
        }
        _ => Err(Ended::NotMcp),
    }
}

/// Seconds or a date (RFC 9110, 10.2.3).
fn retry_after(value: &[u8]) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

//! Reading requests: until there is a whole one, then it is decided on.

use super::call::Call;
use super::record;
use super::reply::{self, id_or_null};
use super::{Arrival, Peer, Site, Step};
use crate::deadline::Deadline;
use crate::drain::linger;
use crate::io::Io;
use crate::local::{Local, local};
use crate::metrics::inc;
use std::future::poll_fn;
use std::io::IoSlice;
use std::task::{Context, Poll, Poll::Pending, Poll::Ready};
use std::time::Instant;
use tidegate_dataplane_codec::chunked::Chunked;
use tidegate_dataplane_codec::http::{self, Framing, HttpError, RequestHead};
use tidegate_dataplane_core::fault::Fault;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Framing that a chunked body may add to its data.
const MAX_CHUNK_OVERHEAD: usize = 1 << 20;

pub(super) struct Conn<'s> {
    pub(super) site: &'s Site,
    pub(super) peer: Peer,
    /// what was read and not used yet
    pub(super) pend: Vec<u8>,
    /// no use looking at `pend` before it has this many bytes
    want: usize,
    pub(super) deadline: Deadline,
    /// the clock as last read in this poll or just before: reading it anew costs more than all that is done with it
    pub(super) now: Instant,
    /// a call that was decided on, until it is run
    pub(super) call: Option<Call>,
    /// the raw id of the request in hand; kept to answer and to cancel it
    pub(super) id: Vec<u8>,
    chunked: Option<ChunkedBody>,
    /// the interim answer to `Expect` was sent
    continued: bool,
    started: bool,
    part: Part,
    /// the drain was noticed
    leaving: bool,
    /// the client was cut since it did not read
    stalled: bool,
}

/// A chunked request body on its way in.
#[derive(Default)]
struct ChunkedBody {
    framing: Chunked,
    data: Vec<u8>,
    /// bytes behind the head that were looked at
    fed: usize,
}

/// Which part of a request is on its way in; each has its own bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Head,
    Body,
}

/// What came of looking at the bytes at hand.
enum Looked {
    /// More are needed: at least that many in all.
    More { want: usize, part: Part },
    /// A request ended here, and led to this.
    Done { used: usize, step: Step },
}

impl<'s> Conn<'s> {
    pub(super) fn new(site: &'s Site, peer: Peer) -> Self {
        let now = Instant::now();
        Self {
            site,
            peer,
            pend: Vec::new(),
            want: 0,
            deadline: Deadline::new(now, site.gw.options.idle),
            now,
            call: None,
            id: Vec::new(),
            chunked: None,
            continued: false,
            started: false,
            part: Part::Nothing,
            leaving: false,
            stalled: false,
        }
    }

    /// What was read: the connection goes on elsewhere.
    pub(super) fn take_read(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pend)
    }

    /// Writes the rest of an answer; false when the client does not take it.
    pub(super) async fn flush<C: Io>(&mut self, io: &mut C, rest: &[u8]) -> bool {
        if rest.is_empty() {
            return true;
        }
        self.deadline.arm(Instant::now(), self.site.gw.options.read);
        let mut at = 0;
        while at < rest.len() {
            let written = poll_fn(|cx| {
                if self.deadline.expired(cx) {
                    self.slow_reader();
                    return Ready(None);
                }
                io.poll_write(cx, &[IoSlice::new(&rest[at..])]).map(Result::ok)
            });
            match written.await {
                Some(n) => at += n,
                None => return false,
            }
        }
        self.now = Instant::now();
        true
    }

    /// The next request, acted on.
    pub(super) async fn next<C: Io>(&mut self, io: &mut C) -> Step {
        self.leaving = false;
        self.deadline.arm(self.now, self.site.gw.options.idle);
        poll_fn(|cx| self.poll_next(cx, io)).await
    }

    fn poll_next<C: Io>(&mut self, cx: &mut Context<'_>, io: &mut C) -> Poll<Step> {
        if self.site.gw.is_draining() && !self.leaving && self.part != Part::Body {
            // a request that crosses with the close is still answered
            self.leaving = true;
            self.deadline.arm(Instant::now(), self.deadline.left().min(linger(self.site.gw.options.drain)));
        }
        if self.deadline.expired(cx) {
            let stats = &self.site.gw.stats;
            inc(if self.part == Part::Nothing { &stats.idle_closed } else { &stats.request_timeouts });
            tracing::debug!(partial = self.part != Part::Nothing, "client connection timed out");
            return Ready(Step::End);
        }
        let mut buf = local(Local::take_scratch);
        let r = self.read_and_look(cx, io, &mut buf);
        local(|l| l.scratch = buf);
        r
    }

    fn read_and_look<C: Io>(&mut self, cx: &mut Context<'_>, io: &mut C, buf: &mut [u8]) -> Poll<Step> {
        loop {
            // what came with the last request may hold the next one already
            if !self.pend.is_empty() && self.pend.len() >= self.want {
                let pend = std::mem::take(&mut self.pend);
                let looked = self.look(cx, io, &pend);
                self.pend = pend;
                match looked {
                    Looked::More { want, part } => self.wait_for(want, part),
                    Looked::Done { used, step } => {
                        self.pend.drain(..used);
                        if self.pend.is_empty() {
                            self.pend = Vec::new();
                        }
                        return Ready(step);
                    }
                }
            }
            let n = match io.poll_read(cx, buf) {
                Pending => return Pending,
                Ready(Ok(0) | Err(_)) => return Ready(Step::End),
                Ready(Ok(n)) => n,
            };
            if !self.pend.is_empty() {
                self.pend.reserve(self.want.saturating_sub(self.pend.len()).clamp(n, 1 << 20));
                self.pend.extend_from_slice(&buf[..n]);
                continue;
            }
            match self.look(cx, io, &buf[..n]) {
                Looked::More { want, part } => {
                    self.wait_for(want, part);
                    self.pend.extend_from_slice(&buf[..n]);
                }
                Looked::Done { used, step } => {
                    self.pend.extend_from_slice(&buf[used..n]);
                    return Ready(step);
                }
            }
        }
    }

    /// Looks for one request at the start of `buf` and acts on it.
    #[inline]
    fn look<C: Io>(&mut self, cx: &mut Context<'_>, io: &mut C, buf: &[u8]) -> Looked {
        if !self.started {
            if buf.starts_with(PREFACE) {
                return Looked::Done { used: 0, step: Step::Http2 };
            }
            if PREFACE.starts_with(buf) {
                return Looked::More { want: buf.len() + 1, part: Part::Head };
            }
            self.started = true;
        }
        let mut fields = http::headers();
        let head = match http::request(buf, &mut fields) {
            Ok(Some(head)) => head,
            Ok(None) => return Looked::More { want: buf.len() + 1, part: Part::Head },
            Err(e) => return self.refuse(cx, io, buf.len(), e),
        };
        let length = match head.framing {
            Framing::None => 0,
            Framing::Length(n) => match usize::try_from(n) {
                Ok(n) if n <= self.site.gw.options.max_body => n,
                _ => return self.too_large(cx, io, buf.len()),
            },
            Framing::Chunked => return self.look_chunked(cx, io, buf, &head),
        };
        let used = head.head_len + length;
        if buf.len() < used {
            return self.more(cx, io, &head, used);
        }
        let step = self.decide(cx, io, &head, &buf[head.head_len..used]);
        self.done(used, step)
    }

    fn look_chunked<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        buf: &[u8],
        head: &RequestHead<'_, '_>,
    ) -> Looked {
        let limit = self.site.gw.options.max_body;
        let mut body = self.chunked.take().unwrap_or_default();
        let fresh = &buf[head.head_len + body.fed..];
        match body.framing.decode(fresh, &mut body.data, limit) {
            Err(HttpError::BodyTooLarge) => self.too_large(cx, io, buf.len()),
            Err(e) => self.refuse(cx, io, buf.len(), e),
            Ok((n, true)) => {
                let step = self.decide(cx, io, head, &body.data);
                self.done(head.head_len + body.fed + n, step)
            }
            Ok((n, false)) => {
                body.fed += n;
                if body.fed > limit + MAX_CHUNK_OVERHEAD {
                    return self.too_large(cx, io, buf.len());
                }
                self.chunked = Some(body);
                self.more(cx, io, head, buf.len() + 1)
            }
        }
    }

    /// The body is not whole yet; a client that waits to be asked for it is asked, once.
    fn more<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        head: &RequestHead<'_, '_>,
        want: usize,
    ) -> Looked {
        if head.expect_continue && !self.continued {
            self.continued = true;
            // 25 bytes into an empty socket buffer: a client that does not take them is not waiting
            if !matches!(reply::send(cx, io, &[b"HTTP/1.1 100 Continue\r\n\r\n"]), Ok(rest) if rest.is_empty())
            {
                return Looked::Done { used: 0, step: Step::End };
            }
        }
        Looked::More { want, part: Part::Body }
    }

    /// Each part of a request is bounded from its first byte, however slowly the rest trickles in.
    fn wait_for(&mut self, want: usize, part: Part) {
        self.want = want;
        if self.part != part {
            self.part = part;
            let o = &self.site.gw.options;
            let bound = match part {
                Part::Head if self.leaving => linger(o.drain).min(o.head),
                Part::Head => o.head,
                _ => o.read,
            };
            self.deadline.arm(Instant::now(), bound);
        }
    }

    /// The client is cut: it did not read.
    pub(super) fn slow_reader(&mut self) {
        self.stalled = true;
        self.site.gw.slow_reader();
    }

    pub(super) fn stalled(&self) -> bool {
        self.stalled
    }

    /// What is known of any request that came now.
    pub(super) fn arrival(&self) -> Arrival {
        Arrival { at: Instant::now(), from: self.peer.address, close: false }
    }

    fn done(&mut self, used: usize, step: Step) -> Looked {
        self.want = 0;
        self.part = Part::Nothing;
        self.continued = false;
        Looked::Done { used, step }
    }

    fn too_large<C: Io>(&mut self, cx: &mut Context<'_>, io: &mut C, used: usize) -> Looked {
        let arrival = Arrival { close: true, ..self.arrival() };
        record::stray(&Fault::BodyTooLarge, arrival);
        // the message was not read: its id is not known
        self.id.clear();
        let step = self.fault(cx, io, &Fault::BodyTooLarge, arrival);
        self.done(used, step)
    }

    /// Answers bytes that are no request, and ends the connection: where the next one starts is unknown.
    fn refuse<C: Io>(&mut self, cx: &mut Context<'_>, io: &mut C, used: usize, e: HttpError) -> Looked {
        self.site.gw.stats.fault("bad_http");
        tracing::debug!(reason = e.reason(), "request refused");
        self.id.clear();
        let fault = Fault::BadHttp(e.reason());
        record::stray(&fault, self.arrival());
        let body = fault.body(id_or_null(b""));
        let answer = reply::json(e.status(), &[], true, &body);
        let rest = reply::send(cx, io, &[&answer]).unwrap_or_default();
        self.done(used, Step::Replied { rest, close: true })
    }
}

//! Requests that the gateway makes of its own accord: opening and ending backend sessions, lists,
//! notifications. Whole answers, bounded in size and time; the path of a client's call is elsewhere
//! ([`crate::conn`]).

mod bind;
mod listen;
mod mcp;

pub(crate) use bind::bind;
pub(crate) use listen::listen;
pub(crate) use mcp::{Opened, cancel, delete, initialize, list_tools, notify, ping};

use crate::backend::BackendState;
use crate::endpoints::{Endpoint, NoPlace};
use crate::io::Io;
use crate::local::local;
use crate::state::Gateway;
use crate::upstream::{self, ConnectError, Upstream};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_dataplane_codec::chunked::BodyFollower;
use tidegate_dataplane_codec::http::{self, ContentType, HttpError, ResponseFraming};
use tidegate_dataplane_codec::json::{self, Peek};
use tidegate_dataplane_codec::sse::SseParser;
use tidegate_dataplane_core::endpoint::EndpointId;
use tidegate_dataplane_core::protocol::ProtocolVersion;
use tidegate_dataplane_core::token::Binding;

/// Largest answer that is read whole, bytes.
const MAX_ANSWER: usize = 16 << 20;

/// Which session a request belongs to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Link<'a> {
    pub(crate) session: &'a [u8],
    pub(crate) version: Option<ProtocolVersion>,
    /// Where it goes.
    pub(crate) endpoint: Option<EndpointId>,
}

impl<'a> Link<'a> {
    /// What belongs to this backend session goes to where it is. A server that keeps no sessions has no such place.
    #[inline]
    pub(crate) fn to(binding: &'a Binding) -> Self {
        let endpoint = if binding.session.is_empty() { None } else { binding.endpoint };
        Self { session: &binding.session, version: Some(binding.version), endpoint }
    }
}

/// A whole answer. For an event stream, `body` is the data of the first event that is a JSON-RPC response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) session: Box<[u8]>,
    pub(crate) content_type: ContentType,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error(transparent)]
    Place(#[from] NoPlace),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("connection broke")]
    Io(#[from] io::Error),
    #[error("connection ended before the answer did")]
    Ended,
    #[error("answer is not HTTP as it should be: {}", .0.reason())]
    Http(HttpError),
    #[error("answer is larger than {MAX_ANSWER} bytes")]
    TooLarge,
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("answer is not MCP: {0}")]
    Protocol(String),
}

impl ExchangeError {
    /// Does it say something of the endpoint, and nothing of the others of its backend?
    pub(crate) fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Place(NoPlace::Gone) | Self::Connect(_) | Self::Io(_) | Self::Ended => true,
            Self::Place(NoPlace::Empty) => false,
            Self::Http(_) | Self::TooLarge | Self::Timeout(_) | Self::Status(_) | Self::Protocol(_) => false,
        }
    }
}

/// Where a request of the gateway's own goes.
fn place(gw: &Gateway, b: &BackendState, link: Link<'_>) -> Result<Arc<Endpoint>, NoPlace> {
    let id = b.endpoints.place(link.session, link.endpoint, gw.clock.now())?;
    b.endpoints.get(id)
}

/// Sends one request to where its session is and reads its whole answer within `limit`.
pub(crate) async fn exchange(
    gw: &Gateway,
    b: &BackendState,
    method: &str,
    link: Link<'_>,
    body: &[u8],
    limit: Duration,
) -> Result<Answer, ExchangeError> {
    let request = write_request(b, method, link, body);
    exchange_at(gw, b, &place(gw, b, link)?, &request, limit).await
}

/// The same with one endpoint.
async fn exchange_at(
    gw: &Gateway,
    b: &BackendState,
    endpoint: &Arc<Endpoint>,
    request: &[u8],
    limit: Duration,
) -> Result<Answer, ExchangeError> {
    let whole = async {
        if let Some(stream) = local(|l| l.pool.take(b, endpoint.id, Instant::now())) {
            match on_stream(b, stream, request).await {
                // a pooled connection may turn out to be dead; these requests may be sent twice
                Err(ExchangeError::Io(_) | ExchangeError::Ended) => {}
                said => return said,
            }
        }
        let connect = b.connect_timeout().unwrap_or(gw.options.connect);
        // boxed: it is rare, and its state is many times what the rest of the request needs
        let stream = Box::pin(upstream::connect(gw, b, endpoint, limit.min(connect))).await?;
        on_stream(b, stream, request).await
    };
    tokio::time::timeout(limit, whole).await.unwrap_or(Err(ExchangeError::Timeout(limit)))
}

fn write_request(b: &BackendState, method: &str, link: Link<'_>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(b.line.len() + body.len() + 256);
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(&b.line);
    write_link(&mut out, link);
    if method == "POST" {
        out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

/// The fields that tie a request to a backend session. Revisions before 2025-06-18 know no version field.
pub(crate) fn write_link(out: &mut Vec<u8>, link: Link<'_>) {
    if !link.session.is_empty() {
        out.extend_from_slice(b"mcp-session-id: ");
        out.extend_from_slice(link.session);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(v) = link.version.filter(|v| *v >= ProtocolVersion::V2025_06_18) {
        out.extend_from_slice(b"mcp-protocol-version: ");
        out.extend_from_slice(v.as_str().as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes all of `bytes`.
pub(crate) async fn write_all<I: Io>(io: &mut I, bytes: &[u8]) -> io::Result<()> {
    let mut at = 0;
    while at < bytes.len() {
        at += poll_fn(|cx| io.poll_write(cx, &[IoSlice::new(&bytes[at..])])).await?;
    }
    Ok(())
}

async fn on_stream(b: &BackendState, mut stream: Upstream, request: &[u8]) -> Result<Answer, ExchangeError> {
    write_all(&mut stream, request).await?;
    let mut reader = Reader::new(&mut stream);
    let (answer, reusable) = reader.answer().await?;
    if reusable && reader.buf.is_empty() {
        local(|l| l.pool.put(b, stream, Instant::now()));
    }
    Ok(answer)
}

struct Reader<'s> {
    stream: &'s mut Upstream,
    buf: Vec<u8>,
}

impl<'s> Reader<'s> {
    fn new(stream: &'s mut Upstream) -> Self {
        Self { stream, buf: Vec::with_capacity(4096) }
    }

    async fn more(&mut self) -> Result<(), ExchangeError> {
        let Self { stream, buf } = self;
        let read = poll_fn(|cx| {
            local(|l| {
                stream.poll_read(cx, &mut l.scratch).map_ok(|n| {
                    buf.extend_from_slice(&l.scratch[..n]);
                    n
                })
            })
        });
        if read.await? == 0 { Err(ExchangeError::Ended) } else { Ok(()) }
    }

    async fn read_head(&mut self) -> Result<(Answer, ResponseFraming, bool), ExchangeError> {
        loop {
            match self.head()? {
                Some(head) => return Ok(head),
                None => self.more().await?,
            }
        }
    }

    /// The whole answer, and whether the connection can be used again.
    async fn answer(&mut self) -> Result<(Answer, bool), ExchangeError> {
        let (mut answer, framing, close) = self.read_head().await?;
        if matches!(framing, ResponseFraming::Length(n) if n > MAX_ANSWER as u64) {
            return Err(ExchangeError::TooLarge);
        }
        let mut body = Body::new(framing);
        let mut message = None;
        loop {
            let ended = if answer.content_type == ContentType::EventStream {
                body.feed_events(&mut self.buf, |data| {
                    if message.is_none() && is_response(data) {
                        message = Some(data.to_vec());
                    }
                })?
            } else {
                body.feed(&mut self.buf)?
            };
            if ended || message.is_some() {
                let reusable = !close && ended;
                answer.body = message.unwrap_or(body.bytes);
                return Ok((answer, reusable));
            }
            match self.more().await {
                Err(ExchangeError::Ended) if framing == ResponseFraming::UntilClose => body.ended = true,
                r => r?,
            }
        }
    }

    /// The final head, without interim ones.
    fn head(&mut self) -> Result<Option<(Answer, ResponseFraming, bool)>, ExchangeError> {
        loop {
            let mut h = http::headers();
            let Some(head) = http::response(&self.buf, &mut h).map_err(ExchangeError::Http)? else {
                return Ok(None);
            };
            let (len, interim) = (head.head_len, head.interim);
            let found = (
                Answer {
                    status: head.status,
                    session: head.session.unwrap_or_default().into(),
                    content_type: head.content_type,
                    body: Vec::new(),
                },
                head.framing,
                head.close,
            );
            self.buf.drain(..len);
            if !interim {
                return Ok(Some(found));
            }
        }
    }
}

/// A body as it arrives, with its framing taken off.
struct Body {
    follower: BodyFollower,
    events: SseParser,
    bytes: Vec<u8>,
    ended: bool,
}

impl Body {
    fn new(framing: ResponseFraming) -> Self {
        let follower = framing.follower();
        Self { follower, events: SseParser::default(), bytes: Vec::new(), ended: false }
    }

    /// Takes what belongs to the body out of `buf`; true at its end.
    fn feed(&mut self, buf: &mut Vec<u8>) -> Result<bool, ExchangeError> {
        let (used, ended) = self.follower.decode(buf, &mut self.bytes, MAX_ANSWER).map_err(|e| match e {
            HttpError::BodyTooLarge => ExchangeError::TooLarge,
            e => ExchangeError::Http(e),
        })?;
        buf.drain(..used);
        self.ended |= ended;
        Ok(self.ended)
    }

    /// The same for an event stream, whose events' data goes to `on_event`.
    fn feed_events(
        &mut self,
        buf: &mut Vec<u8>,
        mut on_event: impl FnMut(&[u8]),
    ) -> Result<bool, ExchangeError> {
        let ended = self.feed(buf)?;
        let bytes = std::mem::take(&mut self.bytes);
        let mut input = &bytes[..];
        while let Some(event) =
            self.events.next_event(&mut input).map_err(|e| ExchangeError::Protocol(e.to_string()))?
        {
            on_event(event.data);
        }
        Ok(ended)
    }
}

fn is_response(data: &[u8]) -> bool {
    matches!(json::peek(data), Ok(Peek::Message(e)) if e.has_result_or_error)
}

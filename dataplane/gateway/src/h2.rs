//! HTTP/2, as an edge: Pingora speaks it, and each of its streams is served as one HTTP/1.1 exchange in
//! memory by the same pipeline. What the strict codec refuses on a socket it refuses here too.

use crate::conn::{self, Outcome, Peer, Site};
use crate::metrics::inc;
use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::ErrorType;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::{RequestHeader, ResponseHeader};
use std::sync::Arc;
use tidegate_dataplane_codec::http::{self, ResponseFraming};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Bytes on the way between the two sides of one stream.
const BUFFER: usize = 64 * 1024;

pub(crate) struct H2 {
    site: Arc<Site>,
    peer: Peer,
    options: HttpServerOptions,
}

impl H2 {
    pub(crate) fn new(site: Arc<Site>, peer: Peer) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(site.gw.options.idle);
        Self { site, peer, options }
    }
}

/// Why a stream ended early; the client sees it reset.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Pingora(#[from] Box<pingora_core::Error>),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("the pipeline's answer: {}", .0.reason())]
    Http(http::HttpError),
    #[error("client went away")]
    Gone,
    #[error("request did not arrive whole in time")]
    Late,
}

#[async_trait]
impl HttpServerApp for H2 {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if let Err(e) = self.stream(&mut session).await {
            self.count(&e);
            tracing::debug!(error = %e, "http/2 stream ended early");
            session.shutdown().await;
        }
        None
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

impl H2 {
    async fn stream(&self, session: &mut ServerSession) -> Result<(), StreamError> {
        let read = self.site.gw.options.read;
        session.set_write_timeout(Some(read));
        let request = tokio::time::timeout(read, read_request(session, self.site.gw.options.max_body)).await;
        let request = request.map_err(|_| StreamError::Late)??;
        let (mut inner, mut outer) = tokio::io::duplex(BUFFER);
        let serve = async move {
            let outcome = conn::serve(&mut inner, &self.site, self.peer).await;
            // an answer without a length ends with its connection
            drop(inner);
            outcome
        };
        let exchange = async {
            // refused before it was read whole: the answer is in the pipe all the same
            if let Err(e) = outer.write_all(&request).await {
                tracing::debug!(error = %e, "request not taken whole");
            }
            let done = pass_answer(session, &mut outer).await;
            drop(outer);
            done
        };
        // both run in this task: dropping the stream drops the call
        tokio::pin!(serve, exchange);
        tokio::select! {
            biased;
            outcome = &mut serve => match outcome {
                Outcome::Stalled => Err(StreamError::Gone),
                _ => exchange.await,
            },
            done = &mut exchange => {
                // which notices that the client has gone, if there is something left to do
                serve.await;
                done
            }
        }
    }
}

impl H2 {
    /// What the client is to be blamed for, counted as on HTTP/1.1.
    fn count(&self, e: &StreamError) {
        let gw = &self.site.gw;
        match e {
            StreamError::Late => inc(&gw.stats.request_timeouts),
            StreamError::Pingora(e) if *e.etype() == ErrorType::WriteTimedout => gw.slow_reader(),
            _ => {}
        }
    }
}

/// The request in HTTP/1.1, with its whole body.
async fn read_request(session: &mut ServerSession, limit: usize) -> Result<Vec<u8>, StreamError> {
    session.read_request().await?;
    let mut body = Vec::new();
    while let Some(part) = session.read_request_body().await? {
        body.extend_from_slice(&part);
        if body.len() > limit {
            break; // one byte more is enough for the pipeline to refuse it
        }
    }
    let mut out = Vec::with_capacity(body.len() + 1024);
    write_head(&mut out, session.req_header(), body.len());
    out.extend_from_slice(&body);
    Ok(out)
}

fn write_head(out: &mut Vec<u8>, head: &RequestHeader, len: usize) {
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    out.extend_from_slice(format!("{} {path} HTTP/1.1\r\n", head.method).as_bytes());
    let authority = head.uri.authority().map(|a| a.as_str().as_bytes());
    let host = authority.or_else(|| head.headers.get("host").map(|h| h.as_bytes()));
    write_field(out, "host", host.unwrap_or_default());
    for (name, value) in &head.headers {
        // h2 has its own framing, and forbids hop-by-hop fields
        if !matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "expect")
        {
            write_field(out, name.as_str(), value.as_bytes());
        }
    }
    write_field(out, "connection", b"close");
    if len > 0 || head.method == "POST" {
        write_field(out, "content-length", itoa::Buffer::new().format(len).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

async fn pass_answer(session: &mut ServerSession, pipe: &mut DuplexStream) -> Result<(), StreamError> {
    let mut buf = Vec::with_capacity(4096);
    let framing = loop {
        match read_head(&buf)? {
            Some((head, framing, used)) => {
                buf.drain(..used);
                session.write_response_header(Box::new(head)).await?;
                break framing;
            }
            None if read_more(session, pipe, &mut buf).await? == 0 => return Err(StreamError::Gone),
            None => {}
        }
    };
    let mut body = framing.follower();
    loop {
        let mut data = Vec::new();
        let (used, done) = body.decode(&buf, &mut data, usize::MAX).map_err(StreamError::Http)?;
        buf.drain(..used);
        if !data.is_empty() || done {
            session.write_response_body(data.into(), done).await?;
        }
        if done {
            return Ok(());
        }
        if read_more(session, pipe, &mut buf).await? == 0 {
            return match framing {
                ResponseFraming::UntilClose => Ok(session.write_response_body(Bytes::new(), true).await?),
                _ => Err(StreamError::Gone),
            };
        }
    }
}

/// Reads what the pipeline writes next, unless the client resets the stream or its connection ends.
async fn read_more(
    session: &mut ServerSession,
    pipe: &mut DuplexStream,
    buf: &mut Vec<u8>,
) -> Result<usize, StreamError> {
    tokio::select! {
        read = pipe.read_buf(buf) => Ok(read?),
        _ = session.read_body_or_idle(true) => Err(StreamError::Gone),
    }
}

fn read_head(buf: &[u8]) -> Result<Option<(ResponseHeader, ResponseFraming, usize)>, StreamError> {
    let mut fields = http::headers();
    let Some(head) = http::response(buf, &mut fields).map_err(StreamError::Http)? else { return Ok(None) };
    let mut out = ResponseHeader::build(head.status, None)?;
    for (name, value) in head.passed() {
        out.append_header(name.to_ascii_lowercase(), value)?;
    }
    // not passed on from a backend, but this answer is the pipeline's own
    if let Some(session) = head.session {
        out.insert_header("mcp-session-id", session)?;
    }
    Ok(Some((out, head.framing, head.head_len)))
}

//! One HTTP/2 connection, used for one request at a time, as those of HTTP/1.1 are.

use std::io;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::plan::Target;
use crate::tls::Stream;
use crate::wire::{Answer, malformed};

/// A connection and what was read from it.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    origin: String,
    body: Vec<u8>,
}

impl Connection {
    /// Connects; what moves its frames is a task that ends with it.
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        let stream = Stream::open(target.addr, target.tls.as_ref()).await?;
        let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(io::Error::other)?;
        // its error is that of the request that waits for it
        tokio::spawn(async move { drop(connection.await) });
        let scheme = if target.tls.is_some() { "https" } else { "http" };
        Ok(Self { sender, origin: format!("{scheme}://{}", target.host), body: Vec::new() })
    }

    /// Sends a request, given as the bytes of HTTP/1.1, and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let request = translate(&self.origin, request)?;
        self.sender.ready().await.map_err(io::Error::other)?;
        let response = self.sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, mut incoming) = response.into_parts();
        self.body.clear();
        while let Some(frame) = incoming.frame().await {
            if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                self.body.extend_from_slice(&data);
            }
        }
        let head = Response::from_parts(head, incoming);
        let header = |name: &str| head.headers().get(name).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: head.status().as_u16(),
            event_stream: is_event_stream(&head),
            session: header("mcp-session-id").map(str::to_owned),
            close: false,
            body: &self.body,
        })
    }
}

fn is_event_stream(head: &Response<Incoming>) -> bool {
    let value = head.headers().get("content-type").and_then(|v| v.to_str().ok());
    value.is_some_and(|v| v.starts_with("text/event-stream"))
}

/// The same request for HTTP/2: the host and the length are said in other ways there.
fn translate(origin: &str, request: &[u8]) -> io::Result<Request<Full<Bytes>>> {
    let end = memchr::memmem::find(request, b"\r\n\r\n").ok_or_else(|| malformed("no end of the head"))?;
    let head = std::str::from_utf8(&request[..end]).map_err(|_| malformed("head is not ASCII"))?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let uri: Uri = format!("{origin}{path}").parse().map_err(io::Error::other)?;
    let mut translated = Request::builder().method(method).uri(uri);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name != "host" && name != "content-length" {
            translated = translated.header(name, value);
        }
    }
    let body = Bytes::copy_from_slice(&request[end + 4..]);
    translated.body(Full::new(body)).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_the_same_in_http_2() {
        let request = b"POST /a/mcp HTTP/1.1\r\nhost: x:1\r\naccept: a, b\r\ncontent-length: 2\r\n\r\n{}";
        let translated = translate("http://x:1", request).unwrap();
        assert_eq!(
            (translated.method().as_str(), translated.uri().to_string()),
            ("POST", "http://x:1/a/mcp".into())
        );
        let headers: Vec<_> = translated.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(headers, [("accept", &b"a, b"[..])]);
        assert!(translate("http://x:1", b"POST / HTTP/1.1\r\n").is_err());
    }
}

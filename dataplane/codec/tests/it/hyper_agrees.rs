//! Heads against hyper: what we accept hyper accepts, with the same method, target, fields and body; so what
//! hyper refuses we refuse.

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tidegate_dataplane_codec::chunked::Chunked;
use tidegate_dataplane_codec::http::{Framing, HttpError, ResponseFraming, headers, request, response};
use tokio::io::AsyncWriteExt;

/// What a parser made of the bytes: start line, some fields, and the body, if it came to its end.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    start: String,
    fields: Vec<Option<Vec<u8>>>,
    body: Option<Vec<u8>>,
}

const FIELDS: &[&str] = &["host", "mcp-session-id", "content-type", "x-a"];

/// What we made of the bytes.
struct Ours {
    seen: Seen,
    /// The chunks break a rule, so that nothing of the message is sent on. hyper takes some that we refuse: of such a message only
    /// the head is compared.
    refused: bool,
}

/// The body that follows a head, `None` when it is cut short or broken; and whether it was refused.
fn body(framing: ResponseFraming, rest: &[u8]) -> (Option<Vec<u8>>, bool) {
    let whole = match framing {
        ResponseFraming::Empty => Some(vec![]),
        ResponseFraming::UntilClose => Some(rest.to_vec()),
        ResponseFraming::Length(n) => usize::try_from(n).ok().and_then(|n| rest.get(..n)).map(<[u8]>::to_vec),
        ResponseFraming::Chunked => {
            let mut out = vec![];
            match Chunked::default().decode(rest, &mut out, usize::MAX) {
                Ok((_, done)) => done.then_some(out),
                Err(_) => return (None, true),
            }
        }
    };
    (whole, false)
}

fn our_request(bytes: &[u8]) -> Result<Option<Ours>, HttpError> {
    let mut h = headers();
    let Some(r) = request(bytes, &mut h)? else { return Ok(None) };
    let framing = match r.framing {
        Framing::None => ResponseFraming::Empty,
        Framing::Length(n) => ResponseFraming::Length(n),
        Framing::Chunked => ResponseFraming::Chunked,
    };
    let (body, refused) = body(framing, &bytes[r.head_len..]);
    let seen = Seen {
        start: format!("{} {}", r.method, r.target),
        fields: FIELDS.iter().map(|f| r.header(f).map(<[u8]>::to_vec)).collect(),
        body,
    };
    Ok(Some(Ours { seen, refused }))
}

fn our_response(bytes: &[u8]) -> Result<Option<Ours>, HttpError> {
    let mut h = headers();
    let Some(r) = response(bytes, &mut h)? else { return Ok(None) };
    if r.interim {
        return our_response(&bytes[r.head_len..]);
    }
    let (body, refused) = body(r.framing, &bytes[r.head_len..]);
    let seen = Seen {
        start: r.status.to_string(),
        fields: FIELDS.iter().map(|f| r.header(f).map(<[u8]>::to_vec)).collect(),
        body,
    };
    Ok(Some(Ours { seen, refused }))
}

fn their_fields(h: &hyper::HeaderMap) -> Vec<Option<Vec<u8>>> {
    FIELDS.iter().map(|f| h.get(*f).map(|v| v.as_bytes().to_vec())).collect()
}

async fn collected(body: Incoming) -> Option<Vec<u8>> {
    body.collect().await.ok().map(|b| b.to_bytes().to_vec())
}

/// What hyper's server makes of the first request in these bytes, after which the client closes its side.
async fn their_request(bytes: &[u8]) -> Option<Seen> {
    let (mut ours, theirs) = tokio::io::duplex(1 << 20);
    ours.write_all(bytes).await.expect("room for it all");
    ours.shutdown().await.expect("an open pipe");
    let first = Arc::new(Mutex::new(None));
    let service = service_fn(|r: hyper::Request<Incoming>| {
        let first = first.clone();
        async move {
            let (head, body) = r.into_parts();
            let seen = Seen {
                start: format!("{} {}", head.method, head.uri),
                fields: their_fields(&head.headers),
                body: collected(body).await,
            };
            first.lock().expect("one thread").get_or_insert(seen);
            Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new()))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(theirs), service)
        .await;
    first.lock().expect("one thread").take()
}

/// What hyper's client makes of these bytes as the answer to a request, after which the server closes.
async fn their_response(bytes: &[u8]) -> Option<Seen> {
    let (mut ours, theirs) = tokio::io::duplex(1 << 20);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(theirs)).await.expect("a handshake without bytes");
    let connection = tokio::spawn(connection);
    let get = hyper::Request::get("/").header("host", "a").body(Full::new(Bytes::new())).expect("a request");
    let answer = tokio::spawn(sender.send_request(get));
    // hyper takes bytes that come before the request for an error of its own
    let mut asked = [0; 1];
    tokio::io::AsyncReadExt::read(&mut ours, &mut asked).await.expect("a request");
    ours.write_all(bytes).await.expect("room for it all");
    ours.shutdown().await.expect("an open pipe");
    let (head, body) = answer.await.expect("no panic").ok()?.into_parts();
    let seen = Seen {
        start: head.status.as_u16().to_string(),
        fields: their_fields(&head.headers),
        body: collected(body).await,
    };
    connection.abort();
    Some(seen)
}

fn run<T>(f: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(f)
}

/// Whatever we accept hyper accepts, and reads alike.
fn check_request(bytes: &[u8]) -> bool {
    let Ok(Some(ours)) = our_request(bytes) else { return false };
    compare(ours, run(their_request(bytes)), bytes);
    true
}

fn check_response(bytes: &[u8]) -> bool {
    let Ok(Some(ours)) = our_response(bytes) else { return false };
    compare(ours, run(their_response(bytes)), bytes);
    true
}

fn compare(ours: Ours, theirs: Option<Seen>, bytes: &[u8]) {
    let body = |theirs: Seen| if ours.refused { Seen { body: None, ..theirs } } else { theirs };
    assert_eq!(Some(ours.seen), theirs.map(body), "{}", String::from_utf8_lossy(bytes));
}

const REQUEST_LINES: &[&str] = &[
    "POST /mcp HTTP/1.1",
    "GET /a?b=c%20d HTTP/1.1",
    "DELETE /a/~b/(c)!$&'*+,;=:@ HTTP/1.1",
    "OPTIONS /? HTTP/1.1",
    "x-y / HTTP/1.1",
    "POST /mcp HTTP/1.0",
    "GET http://b/ HTTP/1.1",
    "OPTIONS * HTTP/1.1",
];

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 202 Accepted",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 404",
    "HTTP/1.1 500 \u{e9}",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK",
];

const POOL: &[&str] = &[
    "Content-Length: 5",
    "Content-Length: 0",
    "content-length: 005",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Transfer-Encoding: chunked",
    "transfer-encoding:\tChunked ",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding : chunked",
    "Mcp-Session-Id: abc",
    "Content-Type: application/json",
    "X-A: \u{e9} b ",
    "X-A:",
    "X-B: \"a, b\"",
    "Connection: close",
    "Connection: keep-alive, x-a",
    "Expect: 100-continue",
    "Upgrade: websocket",
    " folded",
    "no colon",
];

const BODIES: &[&str] = &[
    "",
    "hello",
    "helloGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;x=y\r\nhello\r\n2\r\n!!\r\n0\r\nT: v\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "5\nhello\n0\n\n",
    "3\r\nhel",
];

/// A head of random lines from the pools, a body, and perhaps some damage.
fn message(starts: &'static [&'static str], always: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let damage =
        (any::<prop::sample::Index>(), 0..3u8, prop::sample::select(b"\r\n\t :,\0;a1\x7f\xff".to_vec()));
    (
        prop::sample::select(starts),
        prop::collection::vec(prop::sample::select(POOL), 0..5),
        prop::sample::select(BODIES),
        prop_oneof![3 => Just("\r\n"), 1 => Just("\n")],
        prop_oneof![2 => Just(None), 1 => damage.prop_map(Some)],
    )
        .prop_map(move |(start, fields, body, end, damage)| {
            let mut b = format!("{start}{end}{always}").into_bytes();
            for f in fields {
                b.extend(f.bytes().chain(end.bytes()));
            }
            b.extend(end.bytes().chain(body.bytes()));
            if let Some((at, kind, c)) = damage {
                let i = at.index(b.len());
                match kind {
                    0 => b[i] = c,
                    1 => b.insert(i, c),
                    _ => drop(b.remove(i)),
                }
            }
            b
        })
}

#[test]
fn heads_that_are_plainly_fine_are_accepted_by_both() {
    for line in &REQUEST_LINES[..5] {
        for (field, body) in
            [("", ""), ("Content-Length: 5\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", BODIES[4])]
        {
            assert!(check_request(format!("{line}\r\nHost: a:80\r\n{field}\r\n{body}").as_bytes()), "{line}");
        }
    }
    for line in ["HTTP/1.1 200 OK", "HTTP/1.1 404", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"] {
        for (field, body) in
            [("", "hello"), ("Content-Length: 5\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", BODIES[4])]
        {
            assert!(check_response(format!("{line}\r\n{field}\r\n{body}").as_bytes()), "{line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn requests_that_we_accept_hyper_reads_alike(bytes in message(REQUEST_LINES, "Host: a\r\n")) {
        check_request(&bytes);
    }

    #[test]
    fn responses_that_we_accept_hyper_reads_alike(bytes in message(STATUS_LINES, "")) {
        check_response(&bytes);
    }
}

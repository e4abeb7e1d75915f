//! HTTP/2 without TLS, by prior knowledge, on the same ports.

use crate::sessions::seen;
use crate::support::DEADLINE;
use crate::support::mcp::{ACCEPT, call, call_with_progress, initialize, initialized, list};
use crate::support::ports;
use crate::support::puppet::Puppet;
use crate::support::tables::Vmcp;
use crate::support::world::{World, mock, mock_with};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::future::Future;
use std::net::SocketAddr;
use tidegate_bench_mock::Options;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One session over one connection; its clones share the connection.
#[derive(Clone)]
pub(crate) struct Client {
    connection: SendRequest<Full<Bytes>>,
    authority: String,
    session: String,
}

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the port is open");
        Self::over(stream, addr).await
    }

    /// On a connection that is there.
    pub(crate) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        addr: SocketAddr,
    ) -> Self {
        let (connection, driver) =
            soon(handshake(TokioExecutor::new(), TokioIo::new(stream))).await.expect("HTTP/2");
        tokio::spawn(driver);
        Self { connection, authority: addr.to_string(), session: String::new() }
    }

    async fn open(addr: SocketAddr) -> Self {
        Self::connect(addr).await.initialized().await
    }

    /// With a session of its own.
    pub(crate) async fn initialized(self) -> Self {
        let mut client = self;
        let answer = client.post(&initialize("2025-11-25")).await;
        assert_eq!(answer.status(), 200);
        client.session = answer.headers()["mcp-session-id"].to_str().expect("ASCII").into();
        assert_eq!(client.post(&initialized()).await.status(), 202);
        client
    }

    fn request(&self, method: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}/mcp", self.authority))
            .header("accept", ACCEPT)
            .header("content-type", "application/json");
        if !self.session.is_empty() {
            request = request.header("mcp-session-id", &self.session);
        }
        request.body(Full::new(body.into())).expect("a request")
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        soon(self.connection.ready()).await.expect("a connection");
        soon(self.connection.send_request(request)).await.expect("an answer")
    }

    async fn post(&mut self, message: &Value) -> Response<Incoming> {
        self.send(self.request("POST", message.to_string())).await
    }

    pub(crate) async fn call_text(&mut self, tool: &str, arguments: Value) -> String {
        let message = json_of(self.post(&call(1, tool, arguments)).await).await;
        message["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("a text: {message}")).into()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("in time")
}

async fn body_of(answer: Response<Incoming>) -> Bytes {
    soon(answer.into_body().collect()).await.expect("a whole body").to_bytes()
}

async fn json_of(answer: Response<Incoming>) -> Value {
    let body = body_of(answer).await;
    serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&body)))
}

/// The next piece of a body, as text.
async fn piece(body: &mut Incoming) -> Option<String> {
    let frame = soon(body.frame()).await?.expect("a body that goes on");
    frame.into_data().ok().map(|d| String::from_utf8_lossy(&d).into_owned())
}

/// Runs the client's side; waiting for mocks may block its thread.
pub(crate) fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test);
}

#[test]
fn sessions_lists_and_calls_work_over_http2() {
    let (a, b) = (mock("a"), mock_with(Options { sse_answers: true, ..Options::named("b") }));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    run(async {
        let mut client = Client::open(world.gateway.addr).await;
        let listed = json_of(client.post(&list(3)).await).await;
        assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(24));
        let id = r#""é\"x""#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"a_echo","arguments":{{"n": 1.0}}}}}}"#
        );
        let answer = client.send(client.request("POST", body)).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"application/json".parse().expect("a value"))
        );
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{{\"n\": 1.0}}"}}],"isError":false}}}}"#
        );
        assert_eq!(body_of(answer).await, expected);
        let events = client.post(&call(1, "b_who", json!({}))).await;
        assert_eq!(events.headers()["content-type"], "text/event-stream");
        assert!(String::from_utf8_lossy(&body_of(events).await).contains(r#""text":"b""#));
        let answer = client.send(client.request("DELETE", "")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(client.post(&list(4)).await.status(), 404);
        seen(&a, "the end of the session", |s| s.sessions_deleted == 1);
    });
}

#[test]
fn a_port_of_its_own_speaks_http2_too() {
    let a = mock("a");
    let own = ports::free();
    let servers = [Vmcp::named("one").with("a", a.addr), Vmcp::named("two").with("a", a.addr).listen(own)];
    let world = World::of(&servers);
    run(async {
        let mut client = Client::open(own).await;
        assert_eq!(client.call_text("a_who", json!({})).await, "a");
        let mut shared = Client::connect(world.gateway.addr).await;
        assert_eq!(shared.post(&initialize("2025-11-25")).await.status(), 404, "it does not say which");
        shared.authority = "vmcp-one.default.svc".into();
        assert_eq!(shared.post(&initialize("2025-11-25")).await.status(), 200);
    });
}

#[test]
fn many_calls_share_one_connection_and_a_slow_one_holds_up_none() {
    let a = mock("a");
    let world = World::over(&a);
    run(async {
        let mut client = Client::open(world.gateway.addr).await;
        let mut slow = client.clone();
        let slow = tokio::spawn(async move { slow.call_text("a_slow", json!({"ms": 1_000})).await });
        let calls = (0..200).map(|i| {
            let mut client = client.clone();
            tokio::spawn(async move {
                assert_eq!(client.call_text("a_echo", json!({"i": i})).await, format!(r#"{{"i":{i}}}"#));
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.expect("a right answer");
        }
        assert_eq!(slow.await.expect("an answer"), "slept 1000 ms");
        assert_eq!(client.call_text("a_who", json!({})).await, "a");
        assert_eq!(world.gateway.metric("tidegate_connections_open", ""), 1.0);
    });
}

#[test]
fn events_arrive_one_by_one_over_http2() {
    let puppet = Puppet::start();
    let world = World::with([&Vmcp::named("demo").with("a", puppet.addr)], &["--keep-alive-ms", "50"]);
    run(async {
        let mut client = Client::open(world.gateway.addr).await;
        let mut caller = client.clone();
        let call = tokio::spawn(async move { caller.post(&call_with_progress(1, "a_act", json!({}))).await });
        let mut act = puppet.act();
        act.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut body = soon(call).await.expect("an answer").into_body();
        for n in 0..10 {
            let event = format!("event: message\ndata: {{\"n\":{n}}}\n\n");
            act.chunk(&event);
            assert_eq!(piece(&mut body).await, Some(event));
        }
        act.say("0\r\n\r\n");
        assert_eq!(piece(&mut body).await.unwrap_or_default(), "");

        let stream = client.send(client.request("GET", "")).await;
        assert_eq!(stream.status(), 200);
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let mut stream = stream.into_body();
        for _ in 0..3 {
            assert!(piece(&mut stream).await.is_some_and(|p| p.starts_with(':')), "a comment");
        }
        world.gateway.metric_where("tidegate_streams_open", "", |n| n == 1.0);
        drop(stream);
        world.gateway.metric_where("tidegate_streams_open", "", |n| n == 0.0);
    });
}

#[test]
fn a_reset_stream_cancels_its_call_and_no_other() {
    let a = mock("a");
    let world = World::over(&a);
    run(async {
        let mut client = Client::open(world.gateway.addr).await;
        // before the head of the answer, and behind it
        for (tool, n) in [("a_slow", 1), ("a_stream_forever", 2)] {
            let mut other = client.clone();
            let other = tokio::spawn(async move { other.call_text("a_slow", json!({"ms": 1_500})).await });
            seen(&a, "the other call", |s| s.calls_running == 1);
            let mut caller = client.clone();
            let doomed = tokio::spawn(async move {
                let answer = caller.post(&call_with_progress(50 + n, tool, json!({"ms": 600_000}))).await;
                body_of(answer).await
            });
            seen(&a, "the call", |s| s.calls_running == 2);
            doomed.abort();
            seen(&a, "the cancellation", |s| s.requests_of("notifications/cancelled") == n);
            let cancel = a.stats().last_by_method["notifications/cancelled"].body.clone();
            assert!(cancel.contains(&format!(r#""requestId":{}"#, 50 + n)), "{cancel}");
            assert_eq!(other.await.expect("an answer"), "slept 1500 ms");
            seen(&a, "the end of the call", |s| s.calls_running == 0);
            assert_eq!(client.call_text("a_who", json!({})).await, "a");
        }
    });
}

#[test]
fn a_lost_connection_cancels_all_its_calls() {
    let a = mock("a");
    let world = World::over(&a);
    run(async {
        let client = Client::open(world.gateway.addr).await;
        let calls: Vec<_> = (1..=3)
            .map(|id| {
                let mut client = client.clone();
                tokio::spawn(async move { client.post(&call(id, "a_slow", json!({"ms": 600_000}))).await })
            })
            .collect();
        seen(&a, "the calls", |s| s.calls_running == 3);
        drop(client);
        for call in calls {
            call.abort();
        }
        seen(&a, "their end", |s| s.calls_running == 0);
        seen(&a, "their cancellation", |s| s.requests_of("notifications/cancelled") == 3);
    });
}

#[test]
fn large_bodies_go_both_ways_over_http2() {
    let a = mock("a");
    let world = World::over(&a);
    run(async {
        let mut client = Client::open(world.gateway.addr).await;
        for size in [16 << 10, 1 << 20, 7 << 20] {
            let text = "x".repeat(size);
            let echoed = client.call_text("a_echo", json!({"t": text})).await;
            assert_eq!(echoed.len(), size + 8);
            assert_eq!(client.call_text("a_big", json!({"bytes": size})).await.len(), size);
        }
        // a reader that stops holds up neither the connection nor the gateway
        let mut stuck = client.post(&call(1, "a_big", json!({"bytes": 8 << 20}))).await.into_body();
        assert!(piece(&mut stuck).await.is_some());
        for _ in 0..10 {
            assert_eq!(client.call_text("a_who", json!({})).await, "a");
        }
        let rest = soon(stuck.collect()).await.expect("the rest").to_bytes();
        assert!(rest.len() > 7 << 20);
    });
}

#[test]
fn the_same_requests_are_refused_over_http2() {
    let a = mock("a");
    let world = World::over(&a);
    run(async {
        let mut client = Client::open(world.gateway.addr).await;
        let with = |name: &'static str, value: &'static str, method: &str, body: &str| {
            let mut request = client.request(method, body.to_owned());
            request.headers_mut().insert(name, value.parse().expect("a value"));
            request
        };
        let body = list(1).to_string();
        let requests = [
            (with("accept", "text/html", "POST", &body), 406),
            (with("accept", "application/json", "GET", ""), 406),
            (with("content-type", "text/plain", "POST", &body), 415),
            (with("origin", "https://evil.example", "POST", &body), 403),
            (with("mcp-session-id", "nonsense", "POST", &body), 404),
            (with("x-a", "b", "PUT", &body), 405),
            (client.request("POST", "[]"), 400),
            (client.request("POST", "x".repeat((8 << 20) + 1)), 413),
        ];
        for (request, status) in requests {
            let what = format!("{:?}", request.headers());
            assert_eq!(client.send(request).await.status(), status, "{what}");
        }
        let mut elsewhere = client.clone();
        elsewhere.authority = "evil.example.com".into();
        assert_eq!(elsewhere.post(&list(1)).await.status(), 403);
        assert_eq!(client.post(&list(1)).await.status(), 200, "the connection goes on");
    });
}

#[test]
fn both_versions_are_told_apart_however_the_first_bytes_come() {
    let a = mock("a");
    let world = World::over(&a);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for at in 1..24 {
        let mut http = world.gateway.http();
        http.send(&preface[..at]);
        world.gateway.admin("/healthz");
        http.send(&preface[at..]);
        // a SETTINGS frame on stream 0
        assert_eq!(http.bytes(9)[3..], [4, 0, 0, 0, 0, 0], "split at {at}");
    }
    let mut http = world.gateway.http();
    http.send("PRI * HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!((400..=505).contains(&http.response().status));
}

#[test]
fn sigterm_lets_a_call_over_http2_finish() {
    let a = mock("a");
    let mut world = World::over(&a);
    run(async {
        let client = Client::open(world.gateway.addr).await;
        let mut caller = client.clone();
        let slow = tokio::spawn(async move { caller.call_text("a_slow", json!({"ms": 1_000})).await });
        seen(&a, "the call", |s| s.calls_running == 1);
        world.gateway.terminate();
        assert_eq!(slow.await.expect("an answer"), "slept 1000 ms");
        assert_eq!(world.gateway.ended().code(), Some(0));
    });
}

#[test]
fn a_client_that_does_not_read_over_http2_is_cut_and_others_on_its_connection_are_not() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--read-ms", "500"]);
    run(async {
        let mut client = Client::open(world.gateway.addr).await;
        let mut other = Client::open(world.gateway.addr).await;
        let unread = client.post(&call(1, "a_big", json!({"bytes": 8 << 20}))).await;
        assert_eq!(unread.status(), 200);
        world.gateway.metric_where("tidegate_slow_readers_total", "", |n| n == 1.0);
        assert!(soon(unread.into_body().collect()).await.is_err(), "its stream is reset");
        assert_eq!(client.call_text("a_who", json!({})).await, "a", "its connection goes on");
        assert_eq!(other.call_text("a_who", json!({})).await, "a");
        assert_eq!(world.gateway.metric("tidegate_backend_timeouts_total", ""), 0.0);
    });
}

#[test]
fn a_request_over_http2_that_never_ends_is_reset_at_its_bound() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--read-ms", "300"]);
    let mut raw = Raw::open(world.gateway.addr);
    raw.send(&headers(1, POST, false));
    raw.send(&frame(DATA, 0, 1, b"{"));
    world.gateway.metric_where("tidegate_request_timeouts_total", "", |n| n == 1.0);
    assert_eq!(raw.until(RST_STREAM).stream, 1);
}

#[test]
fn streams_of_one_connection_are_bounded_and_a_flood_of_resets_ends_it() {
    let a = mock("a");
    let world = World::over(&a);
    let mut raw = Raw::open(world.gateway.addr);
    let settings = raw.until(SETTINGS).payload;
    let most =
        settings.chunks(6).find(|s| s[..2] == [0, 3]).map(|s| u32::from_be_bytes([s[2], s[3], s[4], s[5]]));
    assert_eq!(most, Some(100), "SETTINGS_MAX_CONCURRENT_STREAMS");
    // opened and reset at once, over and over: CVE-2023-44487
    let mut flood = Vec::new();
    for n in 0..20_000 {
        flood.extend(headers(2 * n + 1, POST, false));
        flood.extend(frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    raw.flood(flood);
    let goaway = raw.until(GOAWAY).payload;
    assert_eq!(goaway[4..8], 11_u32.to_be_bytes(), "ENHANCE_YOUR_CALM");
    assert_eq!(world.client().call_text("a_who", json!({})), "a");
}

#[test]
fn an_idle_http2_connection_is_told_to_go_away_when_the_drain_begins() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--drain", "3600"]);
    let mut busy = world.client();
    busy.send(&call(1, "a_slow", json!({"ms": 600_000})));
    seen(&a, "the call", |s| s.calls_running == 1);
    let mut raw = Raw::open(world.gateway.addr);
    raw.until(SETTINGS);
    world.gateway.terminate();
    assert_eq!(raw.until(GOAWAY).payload[4..8], [0; 4], "NO_ERROR");
    // what makes sure that nothing crosses: the ping behind it is answered, then the last word comes
    let ping = raw.until(PING).payload;
    raw.send(&frame(PING, 1, 0, &ping));
    raw.until(GOAWAY);
    raw.closed();
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// `:method: POST` in HPACK's static table (RFC 7541, appendix A).
const POST: u8 = 0x83;

/// HTTP/2 by hand, for what no client library sends.
struct Raw(crate::support::http::Http);

struct Frame {
    stream: u32,
    payload: Vec<u8>,
}

impl Raw {
    fn open(addr: SocketAddr) -> Self {
        let mut http = crate::support::http::Http::connect(addr);
        http.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        http.send(frame(SETTINGS, 0, 0, b""));
        Self(http)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.send(bytes);
    }

    /// To a peer that may have had enough.
    fn flood(&mut self, bytes: Vec<u8>) {
        for part in bytes.chunks(64 * 1024) {
            if !self.0.try_send(part) {
                return;
            }
        }
    }

    /// The next frame of a kind; others are passed over.
    #[track_caller]
    fn until(&mut self, kind: u8) -> Frame {
        loop {
            let head = self.0.bytes(9);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let payload = self.0.bytes(length);
            let acknowledged = head[4] & 1 == 1 && matches!(head[3], SETTINGS | PING);
            if head[3] == kind && !acknowledged {
                return Frame { stream, payload };
            }
        }
    }

    #[track_caller]
    fn closed(&mut self) {
        self.0.closed();
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// A request's head: scheme http, path /, authority localhost.
fn headers(stream: u32, method: u8, ends: bool) -> Vec<u8> {
    let block = [&[method, 0x86, 0x84, 0x01, 9][..], b"localhost"].concat();
    frame(HEADERS, 4 | u8::from(ends), stream, &block)
}

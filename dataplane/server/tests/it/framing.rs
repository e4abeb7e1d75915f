//! HTTP/1.1 to the letter: bodies in chunks, pipelining, `Expect`, and what smuggling is made of.

use crate::support::http::Http;
use crate::support::mcp::{call, list, ping};
use crate::support::tables::Vmcp;
use crate::support::world::{World, mock};
use serde_json::json;

#[test]
fn a_chunked_body_is_read_wherever_it_is_split() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let body = call(1, "a_echo", json!({"n": "é"})).to_string();
    let head = client.head("POST", "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
    for at in 1..body.len() {
        let (one, two) = body.as_bytes().split_at(at);
        let mut request = head.clone().into_bytes();
        for part in [one, two] {
            request.extend_from_slice(format!("{:X}\r\n", part.len()).as_bytes());
            request.extend_from_slice(part);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
        client.http.send(request);
        let answer = client.http.response();
        assert_eq!(answer.json()["result"]["content"][0]["text"], r#"{"n":"é"}"#, "split at {at}");
    }
    let seen = &a.stats().last_by_method["tools/call"];
    assert_eq!((seen.header("transfer-encoding"), seen.header("content-length").is_some()), (None, true));
}

#[test]
fn a_request_is_read_wherever_its_writes_are_split() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let body = call(1, "a_echo", json!({"n": 1})).to_string();
    let chunked = client.head("POST", "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
    let chunked = format!(
        "{chunked}5;ext=\"a\"\r\n{}\r\n{:x}\r\n{}\r\n0\r\nx-trailer: 1\r\n\r\n",
        &body[..5],
        body.len() - 5,
        &body[5..]
    );
    for request in [client.request(&body), chunked] {
        for at in (1..request.len()).step_by(7) {
            client.http.send(&request[..at]);
            // a round trip in between: the first part is likely to be read alone
            world.gateway.admin("/healthz");
            client.http.send(&request[at..]);
            let answer = client.http.response();
            assert_eq!(answer.json()["result"]["isError"], false, "split at {at}");
        }
    }
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let body = call(1, "a_echo", json!({"n": 1})).to_string();
    for framing in [format!("content-length: {}", body.len()), "transfer-encoding: chunked".into()] {
        let head = client.head(
            "POST",
            &format!("content-type: application/json\r\nexpect: 100-continue\r\n{framing}\r\n"),
        );
        client.http.send(&head);
        assert_eq!(client.http.head().status, 100, "{framing}");
        if framing.starts_with("content") {
            client.http.send(&body);
        } else {
            client.http.send(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
        }
        assert_eq!(client.http.response().json()["result"]["isError"], false, "{framing}");
    }
    let head = client.head(
        "POST",
        "content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n",
    );
    client.http.send(head);
    assert_eq!(client.http.head().status, 413, "what is too large is not asked for");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let mut all = String::new();
    for i in 0..10 {
        all += &client.request(&match i % 3 {
            0 => call(i, "a_echo", json!({"i": i})).to_string(),
            1 => list(i).to_string(),
            _ => ping(i).to_string(),
        });
    }
    client.http.send(all);
    for i in 0..10 {
        assert_eq!(client.http.response().json()["id"], i);
    }
    assert!(client.http.silent());
    assert_eq!(client.call_text("a_who", json!({})), "a");
}

#[test]
fn requests_sent_while_a_call_runs_are_answered_after_it() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    client.send(&call(1, "a_slow", json!({"ms": 300})));
    crate::sessions::seen(&a, "the slow call", |s| s.calls_running == 1);
    let more: String =
        (2..40).map(|i| client.request(&call(i, "a_echo", json!({"i": i})).to_string())).collect();
    client.http.send(more);
    for i in 1..40 {
        assert_eq!(client.http.response().json()["id"], i);
    }
}

#[test]
fn a_client_may_close_its_side_behind_its_last_request() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let body = list(1).to_string();
    let request = client.head(
        "POST",
        &format!("content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n", body.len()),
    );
    client.http.send(request + &body);
    let answer = client.http.response();
    assert_eq!((answer.status, answer.head.field("connection")), (200, Some("close")));
    client.http.closed();
    let mut client = client.again();
    let body = call(1, "a_who", json!({})).to_string();
    let request = client.head(
        "POST",
        &format!("content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n", body.len()),
    );
    client.http.send(request + &body);
    assert_eq!(client.http.response().status, 200);
    client.http.closed();
}

/// A whole request that is to be refused, and the connection closed; what hides behind it must not be answered.
#[test]
fn what_can_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    let body = list(1).to_string();
    let hidden = client.request(&call(66, "a_who", json!({})).to_string());
    let length = body.len();
    let usual = format!(
        "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\nmcp-session-id: {}\r\n",
        client.session
    );
    let post =
        |fields: &str| format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{usual}{fields}\r\n{body}{hidden}");
    let cases = [
        ("both framings", post(&format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"))),
        ("two lengths", post(&format!("content-length: {length}\r\ncontent-length: 3\r\n"))),
        ("a list of lengths", post(&format!("content-length: {length}, {length}\r\n"))),
        ("a signed length", post(&format!("content-length: +{length}\r\n"))),
        ("a negative length", post("content-length: -1\r\n")),
        ("a length in hex", post("content-length: 0x10\r\n")),
        ("an unknown coding", post("transfer-encoding: gzip, chunked\r\n")),
        ("chunked twice", post("transfer-encoding: chunked, chunked\r\n")),
        ("two codings", post("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n")),
        ("a disguised coding", post("transfer-encoding: xchunked\r\n")),
        ("a coding behind a tab", post("transfer-encoding:\u{b}chunked\r\n")),
        ("space before the colon", post(&format!("content-length : {length}\r\n"))),
        ("a folded line", post(&format!("x-a: b\r\n content-length: {length}\r\n"))),
        ("a bare line feed", post(&format!("x-a: b\ncontent-length: {length}\r\n"))),
        ("a bare carriage return", post(&format!("x-a: b\rc\r\ncontent-length: {length}\r\n"))),
        ("a nul", post(&format!("x-a: b\0c\r\ncontent-length: {length}\r\n"))),
        ("no host", format!("POST /mcp HTTP/1.1\r\n{usual}content-length: {length}\r\n\r\n{body}{hidden}")),
        ("two hosts", post(&format!("host: localhost\r\ncontent-length: {length}\r\n"))),
        (
            "HTTP/1.0",
            format!(
                "POST /mcp HTTP/1.0\r\nhost: localhost\r\n{usual}content-length: {length}\r\n\r\n{body}{hidden}"
            ),
        ),
        (
            "HTTP/1.2",
            format!(
                "POST /mcp HTTP/1.2\r\nhost: localhost\r\n{usual}content-length: {length}\r\n\r\n{body}{hidden}"
            ),
        ),
        ("an upgrade", post(&format!("connection: upgrade\r\nupgrade: h2c\r\ncontent-length: {length}\r\n"))),
        ("two sessions", post(&format!("mcp-session-id: other\r\ncontent-length: {length}\r\n"))),
        (
            "two spaces",
            format!(
                "POST  /mcp HTTP/1.1\r\nhost: localhost\r\n{usual}content-length: {length}\r\n\r\n{body}{hidden}"
            ),
        ),
        (
            "no version",
            format!("POST /mcp\r\nhost: localhost\r\n{usual}content-length: {length}\r\n\r\n{body}{hidden}"),
        ),
    ];
    for (what, request) in cases {
        let mut http = Http::connect(world.gateway.addr);
        http.try_send(request);
        let answer = http.response();
        assert!((400..=505).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        assert_eq!(answer.head.field("connection"), Some("close"), "{what}");
        http.closed();
    }
    assert_eq!(a.stats().requests_of("tools/call"), 0, "nothing was smuggled");
}

#[test]
fn chunks_that_can_be_read_in_two_ways_are_refused() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    let head = client.head("POST", "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
    let body = list(1).to_string();
    let n = body.len();
    let hidden = client.request(&call(66, "a_who", json!({})).to_string());
    let cases = [
        ("a signed size", format!("+{n:x}\r\n{body}\r\n0\r\n\r\n")),
        ("a size with 0x", format!("0x{n:x}\r\n{body}\r\n0\r\n\r\n")),
        ("no size", format!("\r\n{body}\r\n0\r\n\r\n")),
        ("a size beyond 64 bits", format!("1{:016x}\r\n{body}\r\n0\r\n\r\n", n)),
        ("a bare line feed behind the size", format!("{n:x}\n{body}\r\n0\r\n\r\n")),
        ("a chunk longer than its size", format!("{:x}\r\n{body}\r\n0\r\n\r\n", n - 1)),
        ("a space before the size", format!(" {n:x}\r\n{body}\r\n0\r\n\r\n")),
        ("a line feed in an extension", format!("{n:x};a\nb\r\n{body}\r\n0\r\n\r\n")),
    ];
    for (what, chunks) in cases {
        let mut http = Http::connect(world.gateway.addr);
        http.try_send(format!("{head}{chunks}{hidden}"));
        let answer = http.response();
        assert_eq!((answer.status, answer.head.field("connection")), (400, Some("close")), "{what}");
        http.closed();
    }
    assert_eq!(a.stats().requests_of("tools/call"), 0, "nothing was smuggled");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    for fields in [format!("x-large: {}\r\n", "x".repeat(2 << 20)), "x-many: 1\r\n".repeat(5000)] {
        let mut again = client.again();
        let head = client.head("POST", &fields);
        again.http.try_send(head);
        let answer = again.http.response();
        assert!([400, 431].contains(&answer.status), "{}", answer.status);
        assert_eq!(answer.head.field("connection"), Some("close"));
    }
}

#[test]
fn a_slow_request_is_cut() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--read-ms", "300"]);
    let client = world.client();
    let body = list(1).to_string();
    let whole = client.request(&body);
    let head = whole.len() - body.len();
    for (what, part) in
        [("in the first line", 3), ("in the head", 40), ("before the body", head), ("in the body", head + 5)]
    {
        let mut http = Http::connect(world.gateway.addr);
        http.send(&whole[..part]);
        let said = http.into_rest();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{what}: {said}");
    }
    // byte after byte does not buy more time: the bound is for the whole head
    let mut http = Http::connect(world.gateway.addr);
    for byte in whole.as_bytes() {
        if !http.try_send([*byte]) || !http.silent() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("a request of {} bytes, one each 20 ms, was read to its end", whole.len());
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--idle-ms", "300"]);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    client.http.closed();
}

//! A plain call costs the codec no allocation. A binary of its own and without the test harness, since it
//! counts every allocation of the process, and the harness has threads that allocate.

#![allow(clippy::unwrap_used, reason = "a test, though without the harness")]

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use tidegate_dataplane_codec::chunked::Chunked;
use tidegate_dataplane_codec::http::{accepts, headers, is_json, request, response};
use tidegate_dataplane_codec::json::{Peek, peek, splice};
use tidegate_dataplane_codec::sse::{SseParser, write_event};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] = b"POST /mcp HTTP/1.1\r\nHost: localhost:4483\r\nAccept: application/json, text/event-stream\r\n\
    Content-Type: application/json\r\nMcp-Session-Id: 0123456789abcdef\r\nMCP-Protocol-Version: 2025-11-25\r\n\
    User-Agent: test\r\nConnection: keep-alive, x-a\r\nX-A: b\r\nContent-Length: 94\r\n\r\n";
const BODY: &[u8] =
    br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"b1_echo","arguments":{"x\n":[1]},"other":1}}"#;
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNKS: &[u8] = b"5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n";
const EVENTS: &[u8] = b"id: 7\r\nevent: message\r\ndata: {}\r\n\r\ndata: {}\n\n";

fn call(out: &mut Vec<u8>, events: &mut SseParser) {
    out.clear();
    let mut h = headers();
    let r = request(REQUEST, &mut h).unwrap().unwrap();
    assert!(
        r.accepts("application/json") && accepts(r.accept, "text/event-stream") && is_json(r.content_type)
    );
    r.write_forwarded(out);
    let Ok(Peek::Message(e)) = peek(BODY) else { panic!("a message") };
    splice(BODY, &e.name.unwrap(), b"echo", out);
    let mut h = headers();
    let r = response(RESPONSE, &mut h).unwrap().unwrap();
    r.write_client(out);
    assert_eq!(r.framing.follower().feed(CHUNKS), Ok((CHUNKS.len(), true)));
    assert_eq!(Chunked::default().decode(CHUNKS, out, 4096), Ok((CHUNKS.len(), true)));
    for mut piece in EVENTS.chunks(7) {
        while let Some(e) = events.next_event(&mut piece).unwrap() {
            write_event(out, e.event, e.id, e.data);
        }
    }
}

fn main() {
    let (mut out, mut events) = (Vec::with_capacity(8192), SseParser::default());
    call(&mut out, &mut events);
    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        call(&mut out, &mut events);
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "a plain call allocates nothing");
}

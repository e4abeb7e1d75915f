//! Which fields go on, in both directions.

use tidegate_dataplane_codec::http::{headers, request, response};

fn forwarded(fields: &str) -> String {
    let bytes = format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let (mut h, mut out) = (headers(), vec![]);
    request(bytes.as_bytes(), &mut h).unwrap().unwrap().write_forwarded(&mut out);
    String::from_utf8(out).unwrap()
}

fn client(bytes: &str) -> String {
    let (mut h, mut out) = (headers(), vec![]);
    response(bytes.as_bytes(), &mut h).unwrap().unwrap().write_client(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_a_backend_needs_goes_on_in_order_and_as_written() {
    let fields = "accept: application/json\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n\
        User-Agent: x/1\r\nMCP-Protocol-Version: 2025-11-25\r\ntraceparent: 00-1\r\nX-Tenant: a\r\n";
    assert_eq!(forwarded(fields), fields);
}

#[test]
fn who_calls_and_the_trace_are_told_once_each() {
    let bytes = "POST /mcp HTTP/1.1\r\nHost: a\r\nBaggage: b=1\r\nTRACESTATE: s=1\r\nuser_agent: no\r\nTraceParent: 00-1\r\n\
        User-Agent: x/1\r\nuser-agent: y/2\r\nuser-agents: no\r\n\r\n";
    let (mut h, mut out) = (headers(), vec![]);
    let head = request(bytes.as_bytes(), &mut h).unwrap().unwrap();
    head.write_told(&mut out);
    let expected = "user-agent: x/1\r\ntraceparent: 00-1\r\ntracestate: s=1\r\nbaggage: b=1\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn what_is_not_for_a_backend_stays_here() {
    for name in [
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Proxy-Anything",
        "TE",
        "Trailer",
        "Content-Length",
        "Authorization",
        "Cookie",
        "Origin",
        "Accept-Encoding",
        "Mcp-Session-Id",
        "Mcp-Name",
        "Mcp-Method",
        "Mcp-Param-City",
        "MCP-Anything",
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-FORWARDED-PROTO",
        "X-Real-Ip",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "HTTP2-Settings",
        "Last-Event-ID",
        "Range",
        "If-None-Match",
        "If-Modified-Since",
        "X_Forwarded_For",
        "mcp_session_id",
        "X.Real.Ip",
    ] {
        assert_eq!(forwarded(&format!("{name}: 1\r\n")), "", "{name}");
    }
    assert_eq!(
        forwarded("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nContent-Encoding: identity\r\n"),
        ""
    );
}

#[test]
fn fields_named_in_connection_stay_here() {
    let fields =
        "X-A: 1\r\nConnection: keep-alive, x-a\r\nX-B: 2\r\nCONNECTION: ,x-c , TE,\r\nX-C: 3\r\nx-a: 4\r\n";
    assert_eq!(forwarded(fields), "X-B: 2\r\n");
    let head = "HTTP/1.1 200 OK\r\nConnection: x-a\r\nX-A: 1\r\nX-B: 2\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client(head), "HTTP/1.1 200 OK\r\nX-B: 2\r\ncontent-length: 0\r\n");
}

#[test]
fn a_client_gets_status_fields_and_framing() {
    let check = |head: &str, expected: &str| assert_eq!(client(&format!("{head}\r\n")), expected);
    check(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: x\r\nDate: y\r\ncontent-length: 02\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: x\r\nDate: y\r\ncontent-length: 2\r\n",
    );
    check(
        "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n",
        "HTTP/1.1 200 Fine\r\ntransfer-encoding: chunked\r\n",
    );
    check("HTTP/1.1 200\r\n", "HTTP/1.1 200 \r\nconnection: close\r\n");
    check("HTTP/1.1 204 No Content\r\n", "HTTP/1.1 204 No Content\r\n");
    check(
        "HTTP/1.1 503 No\r\nRetry-After: 3\r\nMCP-Protocol-Version: 2025-11-25\r\nContent-Length: 0\r\n",
        "HTTP/1.1 503 No\r\nRetry-After: 3\r\nMCP-Protocol-Version: 2025-11-25\r\ncontent-length: 0\r\n",
    );
}

#[test]
fn what_is_not_for_a_client_stays_here() {
    for name in [
        "Keep-Alive",
        "Proxy-Authenticate",
        "TE",
        "Trailer",
        "Upgrade",
        "Mcp-Session-Id",
        "Mcp-Anything",
        "Set-Cookie",
        "Set-Cookie2",
        "Access-Control-Allow-Origin",
        "Alt-Svc",
        "Strict-Transport-Security",
        "X-Accel-Redirect",
        "X-Sendfile",
        "x_accel_redirect",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{name}: 1\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client(&head), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", "{name}");
    }
}

//! What response heads read as.

use tidegate_dataplane_codec::http::{
    ContentType, HttpError, MAX_HEAD, MAX_HEADERS, ResponseFraming, headers, response,
};

fn check(head: &str, expected: Result<(u16, ResponseFraming, bool), HttpError>) {
    let bytes = format!("{head}\r\n");
    let mut h = headers();
    let got = response(bytes.as_bytes(), &mut h).map(|r| {
        let r = r.expect("a complete head");
        assert_eq!((r.head_len, r.interim), (bytes.len(), r.status < 200));
        (r.status, r.framing, r.close)
    });
    assert_eq!(got, expected, "{head:?}");
}

#[test]
fn framing_follows_from_status_and_fields() {
    use ResponseFraming::{Chunked, Empty, Length, UntilClose};
    check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", Ok((200, Length(7), false)));
    check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: x, Close\r\n", Ok((200, Length(7), true)));
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n", Ok((200, Chunked, false)));
    check("HTTP/1.1 200 OK\r\n", Ok((200, UntilClose, true)));
    check("HTTP/1.1 202\r\nContent-Length: 0\r\n", Ok((202, Length(0), false)));
    check("HTTP/1.1 204 No Content\r\n", Ok((204, Empty, false)));
    check("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", Ok((204, Empty, false)));
    check("HTTP/1.1 304 Not Modified\r\n", Ok((304, Empty, false)));
    check("HTTP/1.1 100 Continue\r\n", Ok((100, Empty, false)));
    check("HTTP/1.1 103 Early Hints\r\nLink: x\r\n", Ok((103, Empty, false)));
    check("HTTP/1.1 599 \r\nContent-Length: 0\r\n", Ok((599, Length(0), false)));
    check(
        "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n",
        Ok((200, Length(0), false)),
    );
}

#[test]
fn a_response_that_breaks_a_rule_is_refused() {
    use HttpError::{BadRequest, NotImplemented, VersionNotSupported};
    let body = Err(BadRequest("body not allowed"));
    for status in ["100", "103", "204", "304"] {
        check(&format!("HTTP/1.1 {status} x\r\nContent-Length: 1\r\n"), body);
        check(&format!("HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n"), body);
    }
    check("HTTP/1.1 101 Switching Protocols\r\n", Err(NotImplemented("upgrade")));
    check("HTTP/1.0 200 OK\r\n", Err(VersionNotSupported));
    check("HTTP/1.2 200 OK\r\n", Err(VersionNotSupported));
    check("HTTP/2.0 200 OK\r\n", Err(VersionNotSupported));
    check("HTTP/1.1 099 x\r\n", Err(BadRequest("status")));
    check("HTTP/1.1 600 x\r\n", Err(BadRequest("status")));
    check("HTTP/1.1 2000 x\r\n", Err(BadRequest("status line")));
    check("HTTP/1.1  200 x\r\n", Err(BadRequest("status line")));
    check("HTTP/1.1 20x\r\n", Err(BadRequest("status line")));
    check("\r\nHTTP/1.1 200 OK\r\n", Err(BadRequest("status line")));
    check("HTTP/1.1 200 O\u{1}K\r\n", Err(BadRequest("status line")));
    check("HTTP/1.1 200 OK\n", Err(BadRequest("line end")));
    check("HTTP/1.1 200 OK\r\nA: b\nC: d\r\n", Err(BadRequest("line end")));
    check("HTTP/1.1 200 OK\r\nA: b\rC: d\r\n", Err(BadRequest("field value")));
    check("HTTP/1.1 200 OK\r\nA : b\r\n", Err(BadRequest("field name")));
    check("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n", Err(BadRequest("field name")));
    check("HTTP/1.1 200 OK\r\nA: b\0\r\n", Err(BadRequest("field value")));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        Err(BadRequest("content-length is repeated")),
    );
    check("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n", Err(BadRequest("content-length")));
    check("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", Err(BadRequest("content-length")));
    check("HTTP/1.1 200 OK\r\nContent-Length:\r\n", Err(BadRequest("content-length")));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        Err(BadRequest("content-length with transfer-encoding")),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        Err(NotImplemented("transfer-encoding")),
    );
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n", Err(NotImplemented("transfer-encoding")));
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        Err(BadRequest("transfer-encoding is repeated")),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n",
        Err(BadRequest("content-type is repeated")),
    );
    check(
        "HTTP/1.1 200 OK\r\nMcp-Session-Id: a\r\nMcp-Session-Id: a\r\n",
        Err(BadRequest("mcp-session-id is repeated")),
    );
    check("HTTP/1.1 200 OK\r\nMcp-Session-Id: a b\r\n", Err(BadRequest("mcp-session-id")));
    check("HTTP/1.1 200 OK\r\nMcp-Session-Id:\r\n", Err(BadRequest("mcp-session-id")));
    check(
        "HTTP/1.1 200 OK\r\nRetry-After: 1\r\nRetry-After: 2\r\n",
        Err(BadRequest("retry-after is repeated")),
    );
    let named = Err(BadRequest("connection names a field it must not"));
    check("HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 3\r\n", named);
    check("HTTP/1.1 200 OK\r\nConnection: a b\r\n", Err(BadRequest("connection")));
    check(
        &format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(MAX_HEADERS + 1)),
        Err(HttpError::TooManyHeaders),
    );
    check(&format!("HTTP/1.1 200 OK\r\nA: {}\r\n", "b".repeat(MAX_HEAD)), Err(HttpError::HeadTooLarge));
}

#[test]
fn a_response_is_incomplete_until_its_last_byte() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: s\r\nRetry-After: 2\r\n\r\nbody";
    for n in 0..bytes.len() - 4 {
        assert!(response(&bytes[..n], &mut headers()).unwrap().is_none(), "{n}");
    }
    let mut h = headers();
    let r = response(bytes, &mut h).unwrap().unwrap();
    assert_eq!(&bytes[r.head_len..], b"body");
    assert_eq!((r.session, r.retry_after), (Some(&b"s"[..]), Some(&b"2"[..])));
    assert_eq!((r.content_type, r.encoded), (ContentType::EventStream, false));
    assert_eq!(r.header("retry-after"), Some(&b"2"[..]));
}

#[test]
fn content_types_are_told_apart() {
    let of = |field: &str| {
        let bytes = format!("HTTP/1.1 200 OK\r\n{field}\r\n");
        let mut h = headers();
        let r = response(bytes.as_bytes(), &mut h).unwrap().unwrap();
        (r.content_type, r.encoded)
    };
    assert_eq!(of(""), (ContentType::Absent, false));
    assert_eq!(of("Content-Type: Application/JSON; charset=utf-8\r\n"), (ContentType::Json, false));
    assert_eq!(of("Content-Type: text/event-stream;charset=utf-8\r\n"), (ContentType::EventStream, false));
    assert_eq!(of("Content-Type: text/html\r\nContent-Encoding: gzip\r\n"), (ContentType::Other, true));
    assert_eq!(of("Content-Encoding: identity\r\n"), (ContentType::Absent, false));
}

//! What a request head that breaks no rule reads as, and the edges of the limits.

use tidegate_dataplane_codec::http::{Framing, HttpError, MAX_HEAD, MAX_HEADERS, headers, request};

fn head(fields: &str) -> Vec<u8> {
    format!("POST /mcp HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n").into_bytes()
}

fn check(fields: &str, expected: Result<Framing, HttpError>) {
    let bytes = head(fields);
    let mut h = headers();
    let got = request(&bytes, &mut h).map(|r| r.expect("a complete head").framing);
    assert_eq!(got, expected, "{fields:?}");
}

#[test]
fn a_head_with_every_field_that_counts_is_read() {
    let bytes = b"POST /ns/name/mcp?x=%41 HTTP/1.1\r\nhOST: [::1]:4483\r\nAccept: application/json\r\n\
        Content-Type: application/json\r\nOrigin: http://a\r\nAuthorization: Bearer t\r\nMcp-Session-Id: s-1\r\n\
        MCP-Protocol-Version: 2025-11-25\r\nMcp-Method: tools/call\r\nMcp-Name: x\r\nLast-Event-ID: 7\r\n\
        Expect: 100-Continue\r\nConnection: Close\r\nContent-Length: 005\r\n\r\nhelloGET";
    let mut h = headers();
    let r = request(bytes, &mut h).unwrap().unwrap();
    assert_eq!((r.method, r.target, r.host), ("POST", "/ns/name/mcp?x=%41", &b"[::1]:4483"[..]));
    assert_eq!(&bytes[r.head_len..], b"helloGET");
    assert_eq!(r.framing, Framing::Length(5));
    assert_eq!(r.accept, Some(&b"application/json"[..]));
    assert_eq!(r.content_type, Some(&b"application/json"[..]));
    assert_eq!(r.origin, Some(&b"http://a"[..]));
    assert_eq!(r.authorization, Some(&b"Bearer t"[..]));
    assert_eq!(r.session, Some(&b"s-1"[..]));
    assert_eq!(r.protocol_version, Some(&b"2025-11-25"[..]));
    assert_eq!((r.mcp_method, r.mcp_name), (Some(&b"tools/call"[..]), Some(&b"x"[..])));
    assert_eq!(r.last_event_id, Some(&b"7"[..]));
    assert!(r.expect_continue && r.close);
    assert_eq!(r.header("ORIGIN"), Some(&b"http://a"[..]));
    assert_eq!(r.header("absent"), None);
}

#[test]
fn framing_follows_from_the_fields() {
    check("", Ok(Framing::None));
    check("Content-Length: 0\r\n", Ok(Framing::Length(0)));
    check("Content-Length:\t12 \t\r\n", Ok(Framing::Length(12)));
    check("Content-Length: 999999999999999999\r\n", Ok(Framing::Length(999_999_999_999_999_999)));
    check("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked));
}

#[test]
fn a_head_is_incomplete_until_its_last_byte() {
    let bytes = head("Content-Length: 2\r\nConnection: keep-alive\r\n");
    for n in 0..bytes.len() {
        assert!(request(&bytes[..n], &mut headers()).unwrap().is_none(), "{n}");
    }
    let mut h = headers();
    let r = request(&bytes, &mut h).unwrap().unwrap();
    assert!(!r.close && !r.expect_continue && r.session.is_none());
}

#[test]
fn a_head_up_to_the_limit_is_taken_and_one_byte_more_is_not() {
    let sized = |n: usize| head(&format!("X: {}\r\n", "v".repeat(n - head("X: \r\n").len())));
    let (fits, over) = (sized(MAX_HEAD), sized(MAX_HEAD + 1));
    assert!(request(&fits, &mut headers()).unwrap().is_some());
    assert!(request(&fits[..MAX_HEAD - 1], &mut headers()).unwrap().is_none());
    assert_eq!(request(&over, &mut headers()).unwrap_err(), HttpError::HeadTooLarge);
    assert_eq!(request(&over[..MAX_HEAD], &mut headers()).unwrap_err(), HttpError::HeadTooLarge);
}

#[test]
fn fields_up_to_the_limit_are_taken_and_one_more_is_not() {
    let host = 1;
    check(&"X: y\r\n".repeat(MAX_HEADERS - host), Ok(Framing::None));
    check(&"X: y\r\n".repeat(MAX_HEADERS - host + 1), Err(HttpError::TooManyHeaders));
}

#[test]
fn a_target_up_to_the_limit_is_taken_and_one_byte_more_is_not() {
    for (n, expected) in [(8 * 1024, None), (8 * 1024 + 1, Some(HttpError::TargetTooLong))] {
        let bytes = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(n - 1));
        assert_eq!(request(bytes.as_bytes(), &mut headers()).err(), expected);
    }
}

#[test]
fn only_text_is_allowed_in_a_value_wherever_it_stands() {
    // every position up to 40, so that each of the tokenizer's vectorised paths is met
    for at in 0..40 {
        for c in 0..=255u8 {
            let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
            bytes.extend(std::iter::repeat_n(b'v', at));
            bytes.push(c);
            bytes.extend(b"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\r\n\r\n");
            let taken = request(&bytes, &mut headers()).is_ok_and(|r| r.is_some());
            assert_eq!(taken, c == b'\t' || (c >= b' ' && c != 0x7f), "{c:#x} at {at}");
        }
    }
}

#[test]
fn only_tokens_are_allowed_in_a_field_name_wherever_it_stands() {
    for at in 0..40 {
        for c in 0..=255u8 {
            let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX".to_vec();
            bytes.extend(std::iter::repeat_n(b'n', at));
            bytes.push(c);
            bytes.extend(b"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: v\r\n\r\n");
            let taken = request(&bytes, &mut headers()).is_ok_and(|r| r.is_some());
            // a colon ends the name early and the rest is a value
            let allowed = c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&c);
            assert_eq!(taken, allowed, "{c:#x} at {at}");
        }
    }
}

#[test]
fn only_characters_of_a_uri_are_allowed_in_a_target_wherever_they_stand() {
    for at in 0..40 {
        for c in 0..=255u8 {
            let mut bytes = b"GET /".to_vec();
            bytes.extend(std::iter::repeat_n(b'a', at));
            bytes.push(c);
            bytes.extend(b"41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n");
            let taken = request(&bytes, &mut headers()).is_ok_and(|r| r.is_some());
            let allowed = c.is_ascii_alphanumeric() || b"/?-._~!$&'()*+,;=:@%".contains(&c);
            assert_eq!(taken, allowed, "{c:#x} at {at}");
        }
    }
}

#[test]
fn hosts_are_names_or_addresses_with_or_without_a_port() {
    let taken = |host: &str| {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        request(bytes.as_bytes(), &mut headers()).is_ok()
    };
    for host in ["a", "a.b-c_d:80", "127.0.0.1:4483", "[::1]", "[fe80::1]:80", "localhost:", "a~b"] {
        assert!(taken(host), "{host}");
    }
    for host in [
        "", ":80", "a b", "a,b", "u@a", "a/b", "a:80:80", "a:8o", "a:123456", "[]", "[::1", "[::1]x",
        "[g::]", "%41", "a\"", "a#b", "a?b", "\u{e9}",
    ] {
        assert!(!taken(host), "{host}");
    }
}

#[test]
fn every_error_has_a_status_and_a_reason() {
    let all = [
        (HttpError::BadRequest("x"), 400),
        (HttpError::BodyTooLarge, 413),
        (HttpError::TargetTooLong, 414),
        (HttpError::CodingNotSupported, 415),
        (HttpError::ExpectationFailed, 417),
        (HttpError::HeadTooLarge, 431),
        (HttpError::TooManyHeaders, 431),
        (HttpError::NotImplemented("x"), 501),
        (HttpError::VersionNotSupported, 505),
    ];
    for (e, status) in all {
        assert_eq!(e.status(), status);
        assert!(!e.reason().is_empty() && !e.to_string().is_empty());
    }
}

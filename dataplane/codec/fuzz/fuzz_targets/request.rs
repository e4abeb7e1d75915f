//! A request head that is taken keeps every rule, and what is forwarded of it is again such a head.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_dataplane_codec::http::{MAX_HEAD, headers, request};

/// Fields that never reach a backend.
const NEVER: [&[u8]; 5] = [b"content-length", b"transfer-encoding", b"connection", b"host", b"cookie"];
const NEVER_FIRST: [&[u8]; 3] = [b"proxy-", b"x-forwarded-", b"if-"];

fuzz_target!(|b: &[u8]| {
    let mut h = headers();
    let Ok(Some(r)) = request(b, &mut h) else { return };
    let head = &b[..r.head_len];
    assert!(head.len() <= MAX_HEAD && head.ends_with(b"\r\n\r\n"));
    assert_eq!(head.windows(4).position(|w| w == b"\r\n\r\n"), Some(head.len() - 4));
    assert!(head.windows(2).all(|w| (w[0] == b'\r') == (w[1] == b'\n')));
    assert!(r.target.starts_with('/') && r.target.bytes().all(|c| c.is_ascii_graphic()));
    assert!(!r.host.is_empty());

    let mut again = b"POST / HTTP/1.1\r\nHost: a\r\n".to_vec();
    let start = again.len();
    r.write_forwarded(&mut again);
    let passed = again[start..].to_ascii_lowercase();
    again.extend(b"\r\n");
    let mut h = headers();
    let second = request(&again, &mut h).expect("still fine").expect("complete");
    assert!(second.session.is_none() && second.authorization.is_none() && second.origin.is_none());
    assert!(!second.close && !second.expect_continue);
    for line in passed.split(|c| *c == b'\n') {
        let name = line.split(|c| *c == b':').next().unwrap_or_default();
        assert!(!NEVER.contains(&name));
        assert!(!NEVER_FIRST.iter().any(|p| name.starts_with(p)));
    }
});

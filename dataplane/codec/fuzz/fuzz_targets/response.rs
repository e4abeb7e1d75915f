//! A response head that is taken keeps every rule, and a client reads what we write of it as we meant it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_dataplane_codec::http::{HttpError, headers, response};

fuzz_target!(|b: &[u8]| {
    let mut h = headers();
    let Ok(Some(r)) = response(b, &mut h) else { return };
    let head = &b[..r.head_len];
    assert!(head.ends_with(b"\r\n\r\n"));
    assert_eq!(head.windows(4).position(|w| w == b"\r\n\r\n"), Some(head.len() - 4));
    assert!(head.windows(2).all(|w| (w[0] == b'\r') == (w[1] == b'\n')));
    assert_eq!(r.interim, r.status < 200);

    let mut client = vec![];
    r.write_client(&mut client);
    client.extend(b"\r\n");
    let mut h = headers();
    let second = match response(&client, &mut h) {
        // `connection: close` is one field more than the backend sent
        Err(HttpError::TooManyHeaders | HttpError::HeadTooLarge) => return,
        Err(e) => panic!("{e}"),
        Ok(second) => second.expect("complete"),
    };
    assert_eq!((second.status, second.framing, second.content_type), (r.status, r.framing, r.content_type));
    assert_eq!((second.session, second.retry_after), (None, r.retry_after));
    let _ = r.framing.follower().feed(&b[r.head_len..]);
});

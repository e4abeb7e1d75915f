//! Our reading of lines against `httparse`, which is kinder: whatever we take it takes, and cuts alike; whatever it takes
//! and we do not breaks one of the rules that we add.

use proptest::prelude::*;
use tidegate_dataplane_codec::http::{headers, request, response};

const FIELDS: [&str; 4] = ["host", "x", "content-type", "mcp-session-id"];

type Seen = (String, usize, Vec<Option<Vec<u8>>>);

fn theirs(fields: &[httparse::Header<'_>]) -> Vec<Option<Vec<u8>>> {
    let first = |name: &&str| fields.iter().find(|f| f.name.eq_ignore_ascii_case(name));
    FIELDS.iter().map(|name| first(name).map(|f| f.value.to_vec())).collect()
}

fn their_request(bytes: &[u8]) -> Option<Seen> {
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut r = httparse::Request::new(&mut room);
    let len = r.parse(bytes).ok().filter(httparse::Status::is_complete)?.unwrap();
    Some((format!("{} {}", r.method?, r.path?), len, theirs(r.headers)))
}

fn their_response(bytes: &[u8]) -> Option<Seen> {
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut r = httparse::Response::new(&mut room);
    let len = r.parse(bytes).ok().filter(httparse::Status::is_complete)?.unwrap();
    Some((r.code?.to_string(), len, theirs(r.headers)))
}

fn our_request(bytes: &[u8]) -> Option<Seen> {
    let mut h = headers();
    let r = request(bytes, &mut h).ok()??;
    let fields = FIELDS.iter().map(|f| r.header(f).map(<[u8]>::to_vec)).collect();
    Some((format!("{} {}", r.method, r.target), r.head_len, fields))
}

fn our_response(bytes: &[u8]) -> Option<Seen> {
    let mut h = headers();
    let r = response(bytes, &mut h).ok()??;
    let fields = FIELDS.iter().map(|f| r.header(f).map(<[u8]>::to_vec)).collect();
    Some((r.status.to_string(), r.head_len, fields))
}

/// A head of pieces that are near the edges of the grammar, with a byte or two changed.
fn head(start: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(vec![
        "Host: a\r\n",
        "X:\r\n",
        "X: \t v \t\r\n",
        "x: a\tb\r\n",
        "Content-Type: application/json; charset=utf-8; and a value of more than forty bytes\r\n",
        "Mcp-Session-Id: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
        "X: \u{e9}\r\n",
        " x: y\r\n",
        "x : y\r\n",
        "x: y\n",
        ": y\r\n",
    ]);
    let change = (any::<prop::sample::Index>(), prop::sample::select(b"\r\n\t :\0\x7f\xffa".to_vec()));
    let fields = prop::collection::vec(field, 0..6);
    let changes = prop::collection::vec(change, 0..3);
    (prop::sample::select(start), fields, changes).prop_map(|(start, fields, changes)| {
        let mut bytes = format!("{start}Host: b\r\n{}\r\nrest", fields.concat()).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

const REQUESTS: &[&str] = &["GET / HTTP/1.1\r\n", "POST /a/b?c=%41 HTTP/1.1\r\n", "X!x /*~ HTTP/1.1\r\n"];
const RESPONSES: &[&str] =
    &["HTTP/1.1 200 OK\r\n", "HTTP/1.1 404\r\n", "HTTP/1.1 503 \r\n", "HTTP/1.1 200 a\tb\r\n"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn requests_are_cut_alike(bytes in head(REQUESTS)) {
        if let Some(ours) = our_request(&bytes) {
            prop_assert_eq!(Some(ours), their_request(&bytes), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn responses_are_cut_alike(bytes in head(RESPONSES)) {
        match (our_response(&bytes), their_response(&bytes)) {
            (Some(ours), theirs) => {
                prop_assert_eq!(Some(ours), theirs, "{}", String::from_utf8_lossy(&bytes));
            }
            // what it takes and we do not: line ends without CR, fields that must not be repeated, a strange session id
            (None, Some(_)) => {
                let text = &bytes[..];
                let bare = text.iter().enumerate().any(|(i, c)| *c == b'\n' && (i == 0 || text[i - 1] != b'\r'));
                let repeated = [&b"ontent-Type"[..], b"cp-Session-I"];
                let twice = repeated.iter().any(|n| text.windows(n.len()).filter(|w| w == n).count() > 1);
                let session = text.windows(5).any(|w| w == b"cp-Se" || w == b"Sessi");
                prop_assert!(bare || twice || session, "{}", String::from_utf8_lossy(&bytes));
            }
            (None, None) => {}
        }
    }
}

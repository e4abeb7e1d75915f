//! serde_json as referee: what it makes of a message that we peeked at. Shared with the fuzz target.

use serde_json::Value;
use std::ops::Range;
use tidegate_dataplane_codec::json::{Envelope, JsonError, Peek, peek, unescape};

/// Panics when serde_json and we disagree about these bytes.
pub(crate) fn compare(b: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(b);
    match (peek(b), theirs) {
        (Ok(Peek::Batch), _) => assert_eq!(b.trim_ascii_start().first(), Some(&b'[')),
        (Ok(Peek::Message(e)), Ok(v)) => same(b, &e, &v),
        // half a surrogate pair in a value that we do not read: RFC 8259 allows it, serde_json does not; nor does
        // it build a number beyond f64, though it reads over one
        (Ok(_), Err(e)) => {
            let grammatical = serde_json::from_slice::<serde::de::IgnoredAny>(b).is_ok();
            assert!(grammatical || has_surrogate(b), "we took what serde_json refused: {e}");
        }
        (Err(JsonError::Malformed(_)), Ok(_)) => panic!("we took for malformed what serde_json read"),
        (Err(JsonError::NotAnObject), Ok(v)) => assert!(!v.is_object() && !v.is_array()),
        (Err(_), _) => {}
    }
}

fn has_surrogate(b: &[u8]) -> bool {
    b.windows(4)
        .any(|w| w[..2].eq_ignore_ascii_case(b"\\u") && w[2].eq_ignore_ascii_case(&b'd') && w[3] > b'7')
}

fn same(b: &[u8], e: &Envelope, v: &Value) {
    let params = v.get("params").filter(|p| p.is_object());
    let param = |name: &str| params.and_then(|p| p.get(name));
    let text = |r: &Option<Range<usize>>, escaped: bool| {
        r.clone().map(|r| {
            let mut out = vec![];
            unescape(&b[r.clone()], &mut out).expect("peek vouches for it");
            assert_eq!(escaped, out != b[r]);
            String::from_utf8(out).expect("text")
        })
    };
    let raw = |r: &Option<Range<usize>>| {
        r.clone().map(|r| serde_json::from_slice::<Value>(&b[r]).expect("a value"))
    };
    let string = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_owned);

    assert_eq!(text(&e.method, e.method_escaped), string(v.get("method")));
    assert_eq!(text(&e.name, e.name_escaped), string(param("name")));
    assert_eq!(text(&e.uri, e.uri_escaped), string(param("uri")));
    assert_eq!(text(&e.protocol_version, e.protocol_version_escaped), string(param("protocolVersion")));
    assert_eq!(raw(&e.id).as_ref(), v.get("id"));
    assert_eq!(raw(&e.params).as_ref(), params);
    assert_eq!(raw(&e.arguments).as_ref(), param("arguments"));
    assert_eq!(raw(&e.capabilities).as_ref(), param("capabilities"));
    assert_eq!(raw(&e.client_info).as_ref(), param("clientInfo"));
    assert_eq!(raw(&e.request_id).as_ref(), param("requestId").filter(|r| r.is_string() || r.is_number()));
    assert_eq!(raw(&e.meta).as_ref(), param("_meta").filter(|m| m.is_object()));
    assert_eq!(e.cursor, param("cursor").is_some_and(|c| !c.is_null()));
    let token = param("_meta").and_then(|m| m.get("progressToken"));
    assert_eq!(e.progress_token, token.is_some_and(|t| !t.is_null()));
    assert_eq!(e.jsonrpc, v.get("jsonrpc").is_some_and(|j| j == "2.0"));
    assert_eq!(e.has_result_or_error, v.get("result").or(v.get("error")).is_some());
}

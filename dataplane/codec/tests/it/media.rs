//! Media types.

use tidegate_dataplane_codec::http::{accepts, headers, is_json, request};

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";

#[test]
fn accept_follows_the_most_specific_range() {
    let check = |field: &str, media: &str, expected: bool| {
        assert_eq!(accepts(Some(field.as_bytes()), media), expected, "{field} {media}");
    };
    check("application/json, text/event-stream", JSON, true);
    check("application/json, text/event-stream", SSE, true);
    check("application/json,text/event-stream", SSE, true);
    check("APPLICATION/json;v=1;q=0.5 ,, Text/Event-Stream;charset=utf-8", SSE, true);
    check("application/json", SSE, false);
    check("", SSE, false);
    check("*/*", SSE, true);
    check("text/*", SSE, true);
    check("text/*", JSON, false);
    check("text/event-stream;q=0", SSE, false);
    check("text/event-stream; q=0.000, */*", SSE, false);
    check("text/event-stream;q=0.001", SSE, true);
    check("text/event-stream;Q=0", SSE, false);
    check("*/*;q=0, text/event-stream", SSE, true);
    check("text/*;q=0, */*", SSE, false);
    check("text/event-streams", SSE, false);
    check("xtext/event-stream", SSE, false);
    check("a/b;x=\"text/event-stream, text/event-stream\"", SSE, false);
    check("a/b;x=\"\\\", text/event-stream;\"", SSE, false);
    check("a/b;x=\"q\", text/event-stream", SSE, true);
    assert!(!accepts(None, SSE));
}

#[test]
fn repeated_accept_fields_count_together() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nAccept: text/event-stream\r\n\r\n";
    let mut h = headers();
    let r = request(bytes, &mut h).unwrap().unwrap();
    assert!(r.accepts(JSON) && r.accepts(SSE) && !r.accepts("text/html"));
}

#[test]
fn json_is_application_json_in_utf_8() {
    let check =
        |value: &str, expected: bool| assert_eq!(is_json(Some(value.as_bytes())), expected, "{value}");
    check("application/json", true);
    check("Application/JSON", true);
    check("application/json; charset=utf-8", true);
    check("application/json;charset=\"UTF-8\"", true);
    check("application/json ; v=1", true);
    check("application/json;", true);
    check("application/json; charset=utf-7", false);
    check("application/json; charset=utf-16", false);
    check("application/json; charset=utf-8; charset=utf-7", false);
    check("application/json; charset", false);
    check("application/json; charset=", false);
    check("application/json; charset =utf-8", false);
    check("application/json, text/plain", false);
    check("application/json-rpc", false);
    check("application/vnd.x+json", false);
    check("text/json", false);
    check("", false);
    assert!(!is_json(None));
}

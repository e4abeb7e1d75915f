//! What peeking gives, and what it refuses.

use tidegate_dataplane_codec::json::{Envelope, JsonError, MAX_DEPTH, Peek, escape, peek, splice, unescape};

fn envelope(b: &str) -> Envelope {
    match peek(b.as_bytes()) {
        Ok(Peek::Message(e)) => e,
        other => panic!("{b}: {other:?}"),
    }
}

#[test]
fn every_member_that_counts_is_found() {
    let b = r#" {"jsonrpc": "2.0", "id" : "a\"b", "x":[{"method":"no"}],"method":"tools/call","params":{
        "arguments":{"name":"no","x":[1,{"y":"\\"}]},"name":"b1_echo","_meta":{"progressToken":3,"x":{}},"uri":"u:1",
        "cursor":"c","protocolVersion":"2025-11-25","capabilities":{ },"clientInfo":{"name":"no"},"requestId":-1.5e3}} "#;
    let e = envelope(b);
    let s = |r: Option<std::ops::Range<usize>>| &b[r.expect("present")];
    assert_eq!(
        (s(e.id.clone()), s(e.method.clone()), s(e.name.clone())),
        (r#""a\"b""#, "tools/call", "b1_echo")
    );
    assert_eq!((s(e.uri.clone()), s(e.protocol_version.clone())), ("u:1", "2025-11-25"));
    assert_eq!((s(e.client_info.clone()), s(e.request_id.clone())), (r#"{"name":"no"}"#, "-1.5e3"));
    assert_eq!(s(e.arguments.clone()), r#"{"name":"no","x":[1,{"y":"\\"}]}"#);
    assert_eq!((s(e.capabilities.clone()), s(e.meta.clone())), ("{ }", r#"{"progressToken":3,"x":{}}"#));
    assert!(s(e.params.clone()).starts_with('{') && s(e.params.clone()).ends_with("-1.5e3}"));
    assert!(e.jsonrpc && e.progress_token && e.cursor && !e.has_result_or_error);
    assert!(!e.name_escaped && !e.method_escaped && !e.uri_escaped && !e.protocol_version_escaped);
}

#[test]
fn absent_members_are_absent() {
    for b in ["{}", " { } ", r#"{"params":null}"#] {
        assert_eq!(envelope(b), Envelope::default(), "{b}");
    }
    let e = envelope(
        r#"{"params":{"name":1,"uri":null,"cursor":null,"requestId":{},"_meta":null,"protocolVersion":[]}}"#,
    );
    assert_eq!(Envelope { params: None, ..e.clone() }, Envelope::default());
    assert!(!envelope(r#"{"params":{"_meta":{"progressToken":null}}}"#).progress_token);
    assert!(envelope(r#"{"id":1,"result":{}}"#).has_result_or_error);
    assert!(envelope(r#"{"id":1,"error":{}}"#).has_result_or_error);
    assert_eq!(envelope(r#"{"id":null}"#).id, Some(6..10));
}

#[test]
fn names_written_with_escapes_are_found_and_marked() {
    let b = r#"{"m\u0065thod":"tools\/call","p\u0061rams":{"na\u006De":"b1\u005fecho","_m\u0065ta":{"progressT\u006fken":1}}}"#;
    let e = envelope(b);
    assert!(e.method_escaped && e.name_escaped && e.progress_token);
    let text = |r: Option<std::ops::Range<usize>>| {
        let mut out = vec![];
        unescape(&b.as_bytes()[r.expect("present")], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!((text(e.method), text(e.name)), ("tools/call".into(), "b1_echo".into()));
}

#[test]
fn a_batch_is_told_from_a_message() {
    assert_eq!(peek(b" [{}]"), Ok(Peek::Batch));
    assert_eq!(peek(b"["), Ok(Peek::Batch));
}

#[test]
fn what_parsers_read_differently_is_refused() {
    let check = |b: &str, expected| assert_eq!(peek(b.as_bytes()), Err(expected), "{b}");
    use JsonError::{Duplicate, OtherCase, RequestAndResponse, WrongType};
    check(r#"{"method":"a","method":"a"}"#, Duplicate("method"));
    check(r#"{"method":"a","m\u0065thod":"b"}"#, Duplicate("method"));
    check(r#"{"id":1,"id":2}"#, Duplicate("id"));
    check(r#"{"jsonrpc":"2.0","jsonrpc":"2.0"}"#, Duplicate("jsonrpc"));
    check(r#"{"params":null,"params":{}}"#, Duplicate("params"));
    check(r#"{"result":1,"result":2}"#, Duplicate("result"));
    check(r#"{"params":{"name":"a","na\u006de":"b"}}"#, Duplicate("name"));
    check(r#"{"params":{"name":1,"name":"b"}}"#, Duplicate("name"));
    check(r#"{"params":{"arguments":{},"arguments":{}}}"#, Duplicate("arguments"));
    check(r#"{"params":{"_meta":{},"_meta":{}}}"#, Duplicate("_meta"));
    check(r#"{"params":{"_meta":{"progressToken":1,"progressToken":1}}}"#, Duplicate("progressToken"));
    check(r#"{"Method":"a"}"#, OtherCase("method"));
    check(r#"{"METHOD":"a"}"#, OtherCase("method"));
    check(r#"{"paramſ":{}}"#, OtherCase("params"));
    check(r#"{"param\u017f":{}}"#, OtherCase("params"));
    check(r#"{"ıd":1}"#, OtherCase("id"));
    check(r#"{"params":{"Name":"b"}}"#, OtherCase("name"));
    check(r#"{"params":{"name":"a","nam\u0045":"b"}}"#, OtherCase("name"));
    check(r#"{"params":{"_meta":{"progressto\u212aen":1}}}"#, OtherCase("progressToken"));
    check(r#"{"method":1}"#, WrongType("method"));
    check(r#"{"method":null}"#, WrongType("method"));
    check(r#"{"id":{}}"#, WrongType("id"));
    check(r#"{"id":true}"#, WrongType("id"));
    check(r#"{"id":[1]}"#, WrongType("id"));
    check(r#"{"params":[]}"#, WrongType("params"));
    check(r#"{"params":"x"}"#, WrongType("params"));
    check(r#"{"params":{"_meta":1}}"#, WrongType("_meta"));
    check(r#"{"jsonrpc":"1.0"}"#, WrongType("jsonrpc"));
    check(r#"{"jsonrpc":2.0}"#, WrongType("jsonrpc"));
    check(r#"{"method":"a","result":1}"#, RequestAndResponse);
    check(r#"{"error":1,"method":"a"}"#, RequestAndResponse);
    for scalar in ["1", "\"a\"", "null", " true "] {
        check(scalar, JsonError::NotAnObject);
    }
}

#[test]
fn names_that_only_resemble_ours_are_left_alone() {
    envelope(
        r#"{"methods":1,"metho":2,"":3,"method\u0000":4,"protocolVersionX":5,"m\u00e9thod":6,"methodmethodmethodmethod":7}"#,
    );
    envelope(
        r#"{"x":{"Name":1,"name":1,"name":2,"method":1},"params":{"arguments":{"Name":1,"name":1,"name":2}}}"#,
    );
}

#[test]
fn what_is_not_json_is_refused_wherever_it_stands() {
    let bad = [
        "",
        " ",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1}x",
        "{\"a\":1}{}",
        "{\"a\":[}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}}",
        "{\"a\":{\"b\":1]}",
        "{\"a\":{\"b\"}}",
        "{\"a\":{\"b\":}}",
        "{\"a\":{1:1}}",
        "{\"a\":{\"b\":1,}}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":-01}",
        "{\"a\":0x1}",
        "{\"a\":1_0}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\":truefalse}",
        "{\"a\":nul}",
        "{\"a\":\"}",
        "{\"a\":\"\\\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\0\"}",
        "{\"a\n\":1}",
        "{\"a\":1/*c*/}",
        "//c\n{}",
        "\u{feff}{}",
        "{}\u{feff}",
        "{\"a\":1}\u{a0}",
        "\u{b}{}",
        "{\"a\":1}\0",
        "{\"\\ud800\":1}",
        "{\"params\":{\"name\":\"\\ud800\"}}",
        "{\"method\":\"\\udc00\"}",
        "{\"id\":\"\\ud800\\u0041\"}",
    ];
    for b in bad {
        assert!(
            matches!(peek(b.as_bytes()), Err(JsonError::Malformed(_))),
            "{b:?}: {:?}",
            peek(b.as_bytes())
        );
    }
    for b in [
        &b"{\"a\":\"\xff\"}"[..],
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{\"a\":\"\xc0\xaf\"}",
        b"{\"\xf4\x90\x80\x80\":1}",
        b"\xff\xfe{\0}\0",
    ] {
        assert!(matches!(peek(b), Err(JsonError::Malformed(_))), "{b:?}");
    }
    assert_eq!(peek(b"{\"a\": 1, b}"), Err(JsonError::Malformed(9)));
}

#[test]
fn the_values_we_do_not_read_may_hold_half_a_surrogate_pair() {
    envelope(r#"{"params":{"name":"a","arguments":{"text":"cut off \ud83d","\udc00":1}}}"#);
}

#[test]
fn numbers_of_every_form_are_taken() {
    for n in [
        "0",
        "-0",
        "1",
        "-12",
        "0.5",
        "1.25",
        "1e5",
        "1E-5",
        "0e+0",
        "123456789012345678901234567890",
        "1e999",
    ] {
        let b = format!("{{\"id\":{n},\"a\":[{n},{n}]}}");
        assert_eq!(&b[envelope(&b).id.unwrap()], n);
    }
}

#[test]
fn depth_is_bounded() {
    let nested =
        |open: &str, close: &str, n: u32| format!("{}1{}", open.repeat(n as usize), close.repeat(n as usize));
    let check = |prefix: &str, above: u32, suffix: &str| {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let fits = format!("{prefix}{}{suffix}", nested(open, close, MAX_DEPTH - above));
            let over = format!("{prefix}{}{suffix}", nested(open, close, MAX_DEPTH - above + 1));
            assert!(peek(fits.as_bytes()).is_ok(), "{prefix}");
            assert_eq!(peek(over.as_bytes()), Err(JsonError::TooDeep), "{prefix}");
        }
    };
    check("{\"a\":", 1, "}");
    check("{\"params\":{\"arguments\":", 2, "}}");
    check("{\"params\":{\"_meta\":{\"x\":", 3, "}}}");
    let brackets = "[".repeat(100_000);
    assert_eq!(peek(format!("{{\"a\":{brackets}").as_bytes()), Err(JsonError::TooDeep));
}

#[test]
fn a_message_cut_short_is_refused_at_every_byte() {
    let b = r#"{"id":"é\n","method":"a\u0041","params":{"name":"x","arguments":[{"a":-1.5e+3},[],{},true,false,null]}}"#;
    envelope(b);
    for n in 0..b.len() {
        assert!(peek(&b.as_bytes()[..n]).is_err(), "{n}");
    }
}

#[test]
fn strings_longer_than_any_fast_path_are_searched_to_their_end() {
    for n in 0..80 {
        for (bad, text) in [("\u{1}", false), ("\\q", false), ("\\n", true), ("\u{7f}", true), ("é", true)] {
            let b = format!("{{\"a\":\"{}{bad}{}\",\"method\":\"m\"}}", "x".repeat(n), "y".repeat(n));
            assert_eq!(peek(b.as_bytes()).is_ok(), text, "{n} {bad:?}");
        }
    }
}

#[test]
fn escapes_are_resolved_and_written() {
    let check = |inside: &str, expected: &str| {
        let mut out = vec![];
        unescape(inside.as_bytes(), &mut out).unwrap();
        assert_eq!(out, expected.as_bytes());
    };
    check(r#"a\"\\\/\b\f\n\r\t\u0041\u00e9\ud83c\udf0a"#, "a\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1f30a}");
    for bad in [
        r"\",
        r"\x",
        r"\u12",
        r"\ud800",
        r"\ud800x",
        r"\ud800\n",
        r"\ud800\u0041",
        r"\udc00",
        r"\u+041",
        "\"",
        "\n",
    ] {
        assert!(unescape(bad.as_bytes(), &mut vec![]).is_err(), "{bad}");
    }
    assert!(unescape(b"\xff", &mut vec![]).is_err());
    let mut out = vec![];
    escape("a\"\\\u{8}\n\r\t\u{1f}\u{7f}é", &mut out);
    assert_eq!(out, "a\\\"\\\\\\u0008\\n\\r\\t\\u001f\u{7f}é".as_bytes());
}

#[test]
fn splicing_replaces_the_inside_of_the_name() {
    let b = r#"{"params":{"name":"p_echo","x":1}}"#;
    let mut out = vec![];
    splice(b.as_bytes(), &envelope(b).name.unwrap(), b"echo", &mut out);
    assert_eq!(out, br#"{"params":{"name":"echo","x":1}}"#);
}

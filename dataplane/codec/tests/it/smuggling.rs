//! Request smuggling and desync: heads and bodies that some server or proxy is known to have read otherwise than
//! another. Each is refused with the status given, or read in the one way given.

use tidegate_dataplane_codec::chunked::Chunked;
use tidegate_dataplane_codec::http::{Framing, headers, request};

/// What becomes of a request head.
#[derive(Debug, PartialEq)]
enum Read {
    Refused(u16),
    Incomplete,
    Taken(Framing),
}
use Read::{Incomplete, Refused, Taken};

fn read(bytes: &[u8]) -> Read {
    match request(bytes, &mut headers()) {
        Err(e) => Refused(e.status()),
        Ok(None) => Incomplete,
        Ok(Some(r)) => Taken(r.framing),
    }
}

/// `fields` in a POST that has nothing else but a host.
fn check_fields(table: &[(&str, &str, Read)]) {
    for (name, fields, expected) in table {
        let bytes = format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        assert_eq!(&read(bytes.as_bytes()), expected, "{name}");
    }
}

fn check_whole(table: &[(&str, &str, Read)]) {
    for (name, bytes, expected) in table {
        assert_eq!(&read(bytes.as_bytes()), expected, "{name}");
    }
}

#[test]
fn length_and_coding_together_or_repeated_are_refused() {
    check_fields(&[
        ("CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked", Refused(400)),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 6", Refused(400)),
        ("TE.CL with length 0", "Transfer-Encoding: chunked\r\nContent-Length: 0", Refused(400)),
        ("TE identity with CL", "Transfer-Encoding: identity\r\nContent-Length: 6", Refused(400)),
        ("CL.CL differing", "Content-Length: 6\r\nContent-Length: 5", Refused(400)),
        ("CL.CL equal", "Content-Length: 5\r\nContent-Length: 5", Refused(400)),
        ("CL.CL in other case", "Content-Length: 5\r\ncontent-length: 5", Refused(400)),
        ("CL list equal", "Content-Length: 5, 5", Refused(400)),
        ("CL list differing", "Content-Length: 5,6", Refused(400)),
        ("TE.TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Refused(400)),
        ("TE.TE one unknown", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", Refused(400)),
        ("TE.TE one empty", "Transfer-Encoding: chunked\r\nTransfer-Encoding:", Refused(400)),
    ]);
}

#[test]
fn lengths_that_are_not_plain_digits_are_refused() {
    check_fields(&[
        ("signed", "Content-Length: +5", Refused(400)),
        ("negative", "Content-Length: -5", Refused(400)),
        ("hexadecimal", "Content-Length: 0x5", Refused(400)),
        ("octal look is decimal", "Content-Length: 010", Taken(Framing::Length(10))),
        ("exponent", "Content-Length: 1e1", Refused(400)),
        ("fraction", "Content-Length: 5.0", Refused(400)),
        ("underscore", "Content-Length: 1_0", Refused(400)),
        ("inner space", "Content-Length: 1 0", Refused(400)),
        ("quoted", "Content-Length: \"5\"", Refused(400)),
        ("empty", "Content-Length:", Refused(400)),
        ("only space", "Content-Length:  \t ", Refused(400)),
        ("trailing semicolon", "Content-Length: 5;", Refused(400)),
        ("trailing comma", "Content-Length: 5,", Refused(400)),
        ("full-width digit", "Content-Length: \u{ff15}", Refused(400)),
        ("beyond 64 bits", "Content-Length: 18446744073709551621", Refused(400)),
        ("wrapping 32 bits stays large", "Content-Length: 4294967301", Taken(Framing::Length(4_294_967_301))),
        ("vertical tab", "Content-Length: \u{b}5", Refused(400)),
        ("form feed", "Content-Length: 5\u{c}", Refused(400)),
        ("NUL", "Content-Length: 5\0", Refused(400)),
    ]);
}

#[test]
fn codings_that_are_not_exactly_chunked_are_refused() {
    check_fields(&[
        ("list", "Transfer-Encoding: gzip, chunked", Refused(501)),
        ("not last", "Transfer-Encoding: chunked, identity", Refused(501)),
        ("twice in one", "Transfer-Encoding: chunked, chunked", Refused(501)),
        ("identity", "Transfer-Encoding: identity", Refused(501)),
        ("prefix x", "Transfer-Encoding: xchunked", Refused(501)),
        ("suffix x", "Transfer-Encoding: chunkedx", Refused(501)),
        ("quoted", "Transfer-Encoding: \"chunked\"", Refused(501)),
        ("single quoted", "Transfer-Encoding: 'chunked'", Refused(501)),
        ("parameter", "Transfer-Encoding: chunked;q=1", Refused(501)),
        ("leading comma", "Transfer-Encoding: ,chunked", Refused(501)),
        ("trailing comma", "Transfer-Encoding: chunked,", Refused(501)),
        ("cow", "Transfer-Encoding: cow", Refused(501)),
        ("empty", "Transfer-Encoding:", Refused(501)),
        ("vertical tab before", "Transfer-Encoding: \u{b}chunked", Refused(400)),
        ("form feed after", "Transfer-Encoding: chunked\u{c}", Refused(400)),
        ("NUL after", "Transfer-Encoding: chunked\0", Refused(400)),
        ("DEL after", "Transfer-Encoding: chunked\u{7f}", Refused(400)),
        ("no-break space after", "Transfer-Encoding: chunked\u{a0}", Refused(501)),
        ("long s", "Transfer-Encoding: chun\u{212a}ed", Refused(501)),
        ("tab before is a space", "Transfer-Encoding:\tchunked", Taken(Framing::Chunked)),
        ("no space before", "Transfer-Encoding:chunked", Taken(Framing::Chunked)),
    ]);
}

#[test]
fn names_written_to_be_overlooked_are_refused_or_mean_nothing() {
    check_fields(&[
        ("space before colon", "Transfer-Encoding : chunked", Refused(400)),
        ("tab before colon", "Content-Length\t: 5", Refused(400)),
        ("leading space", "X: y\r\n Transfer-Encoding: chunked", Refused(400)),
        ("leading tab", "X: y\r\n\tTransfer-Encoding: chunked", Refused(400)),
        ("fold into value", "Transfer-Encoding:\r\n chunked", Refused(400)),
        ("fold after value", "Transfer-Encoding: chunked\r\n x", Refused(400)),
        ("NUL in name", "Transfer\0-Encoding: chunked", Refused(400)),
        ("no colon", "Transfer-Encoding chunked", Refused(400)),
        ("empty name", ": chunked", Refused(400)),
        ("quoted name", "\"Transfer-Encoding\": chunked", Refused(400)),
        ("non-ASCII name", "Transfer-Encod\u{131}ng: chunked", Refused(400)),
        ("slash in name", "Content/Length: 5", Refused(400)),
        ("underscore is another field", "Content_Length: 5", Taken(Framing::None)),
        ("underscore coding is another field", "Transfer_Encoding: chunked", Taken(Framing::None)),
        ("CR in name", "Transfer\r-Encoding: chunked", Refused(400)),
    ]);
}

#[test]
fn lines_that_do_not_end_in_crlf_are_refused() {
    check_whole(&[
        ("all LF", "GET / HTTP/1.1\nHost: a\n\n", Refused(400)),
        ("request line LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", Refused(400)),
        ("field LF", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", Refused(400)),
        ("end LF", "GET / HTTP/1.1\r\nHost: a\r\n\n", Refused(400)),
        ("LF CR", "GET / HTTP/1.1\r\nHost: a\n\r\n", Refused(400)),
        ("bare CR ends field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", Refused(400)),
        ("bare CR in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Refused(400)),
        ("CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Refused(400)),
        ("LF in empty value", "GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n", Refused(400)),
        ("LF hides length", "GET / HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 30\r\n\r\n", Refused(400)),
        ("empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("LF before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("space before", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("space before first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refused(400)),
        ("NUL before", "\0GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
    ]);
}

#[test]
fn request_lines_out_of_the_ordinary_are_refused() {
    check_whole(&[
        ("HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", Refused(505)),
        ("HTTP/1.0 with body", "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", Refused(505)),
        ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", Refused(505)),
        ("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refused(505)),
        ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
        ("HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", Refused(505)),
        ("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", Refused(505)),
        ("HTTP/0.9", "GET /\r\n\r\n", Refused(400)),
        ("version twice", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("space after version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refused(400)),
        ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("space in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(505)),
        ("absolute form", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("authority form", "GET b:80 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("CONNECT", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n", Refused(501)),
        ("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("broken escape", "GET /a%4 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("non-ASCII target", "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("markup in target", "GET /<script> HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("method with colon", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        ("TLS", "\u{16}\u{3}\u{1}", Refused(400)),
    ]);
}

#[test]
fn hosts_and_fields_that_decide_are_there_once() {
    check_whole(&[
        ("no host", "GET / HTTP/1.1\r\n\r\n", Refused(400)),
        ("no fields at all yet", "GET / HTTP/1.1\r\n", Incomplete),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refused(400)),
        ("the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Refused(400)),
        ("host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refused(400)),
        ("host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", Refused(400)),
        ("host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refused(400)),
        ("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Refused(400)),
    ]);
    check_fields(&[
        ("session twice", "Mcp-Session-Id: a\r\nMcp-Session-Id: a", Refused(400)),
        ("session empty", "Mcp-Session-Id:", Refused(400)),
        ("session list", "Mcp-Session-Id: a, b", Refused(400)),
        ("version twice", "MCP-Protocol-Version: 1\r\nmcp-protocol-version: 2", Refused(400)),
        ("type twice", "Content-Type: application/json\r\nContent-Type: text/plain", Refused(400)),
        ("origin twice", "Origin: http://a\r\nOrigin: null", Refused(400)),
        ("authorization twice", "Authorization: Bearer a\r\nAuthorization: Bearer b", Refused(400)),
        ("mcp-method twice", "Mcp-Method: a\r\nMcp-Method: b", Refused(400)),
        ("mcp-name twice", "Mcp-Name: a\r\nMcp-Name: b", Refused(400)),
        ("last-event-id twice", "Last-Event-ID: a\r\nLast-Event-ID: b", Refused(400)),
        ("expect twice", "Expect: 100-continue\r\nExpect: 100-continue", Refused(400)),
        ("expect other", "Expect: y 100-continue", Refused(417)),
        ("upgrade", "Upgrade: websocket", Refused(501)),
        (
            "upgrade h2c",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA",
            Refused(501),
        ),
        ("connection upgrade alone", "Connection: upgrade", Refused(501)),
        (
            "connection takes length out",
            "Connection: close, Content-Length\r\nContent-Length: 5",
            Refused(400),
        ),
        (
            "connection takes coding out",
            "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
            Refused(400),
        ),
        ("connection takes host out", "Connection: host", Refused(400)),
        ("connection takes session out", "Connection: mcp-session-id\r\nMcp-Session-Id: a", Refused(400)),
        ("connection takes credentials out", "Connection: authorization", Refused(400)),
        ("connection is no token", "Connection: a;b", Refused(400)),
        ("connection names too many", "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", Refused(400)),
        ("compressed", "Content-Encoding: gzip", Refused(415)),
    ]);
}

#[test]
fn chunks_written_to_be_read_otherwise_are_refused() {
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(256));
    let many = format!("1;{}\r\na\r\n", "x".repeat(200)).repeat(100);
    let trailers = format!("0\r\nX: {}\r\n\r\n", "y".repeat(8192));
    let table: &[(&str, &str)] = &[
        ("LF after size", "5\nhello\r\n0\r\n\r\n"),
        ("CR after size", "5\rhello\r\n0\r\n\r\n"),
        ("LF after data", "5\r\nhello\n0\r\n\r\n"),
        ("CR after data", "5\r\nhello\r0\r\n\r\n"),
        ("nothing after data", "5\r\nhello0\r\n\r\n"),
        ("data longer than size", "5\r\nhelloo\r\n0\r\n\r\n"),
        ("two arbitrary bytes after data", "5\r\nhelloXX0\r\n\r\n"),
        ("signed size", "+5\r\nhello\r\n0\r\n\r\n"),
        ("negative size", "-5\r\nhello\r\n0\r\n\r\n"),
        ("prefixed size", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("underscore in size", "1_0\r\n"),
        ("space before size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("space after size", "5 \r\nhello\r\n0\r\n\r\n"),
        ("space before extension", "5 ;x\r\nhello\r\n0\r\n\r\n"),
        ("tab after size", "5\t\r\nhello\r\n0\r\n\r\n"),
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("only an extension", ";x\r\nhello\r\n0\r\n\r\n"),
        ("size beyond 64 bits", "10000000000000005\r\nhello"),
        ("size of many zeros", "0000000000000005\r\nhello"),
        ("not hexadecimal", "g\r\n"),
        ("LF in extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("CR in extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("NUL in extension", "5;a\0\r\nhello\r\n0\r\n\r\n"),
        ("long extension", &long),
        ("many extensions", &many),
        ("LF after last chunk", "0\n\r\n"),
        ("LF ends body", "0\r\n\n"),
        ("CR ends body", "0\r\n\rX"),
        ("LF ends trailer", "0\r\nX: y\n\r\n"),
        ("CR in trailer", "0\r\nX: y\rZ\r\n\r\n"),
        ("fold in trailer", "0\r\nX: y\r\n z\r\n\r\n"),
        ("space before colon in trailer", "0\r\nX : y\r\n\r\n"),
        ("request in trailer", "0\r\nGET / HTTP/1.1\r\n\r\n"),
        ("empty name in trailer", "0\r\n: y\r\n\r\n"),
        ("NUL in trailer", "0\r\nX: \0\r\n\r\n"),
        ("long trailers", &trailers),
    ];
    for (name, body) in table {
        assert!(Chunked::default().feed(body.as_bytes()).is_err(), "{name}");
    }
}

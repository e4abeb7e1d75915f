//! What a request must be to be taken (spec 3.1, 3.2, 3.5).

use crate::support::http::Answer;
use crate::support::mcp::{ACCEPT, Client, call, list};
use crate::support::tables::Vmcp;
use crate::support::world::{World, mock};
use serde_json::json;

/// Sends a head of one's own with the session.
#[track_caller]
fn ask(client: &Client, method: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut again = client.again();
    let mut request = format!("{method} {} HTTP/1.1\r\nmcp-session-id: {}\r\n", client.path, client.session);
    if !fields.iter().any(|(n, _)| *n == "host") {
        request += "host: localhost\r\n";
    }
    for (name, value) in fields {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    again.http.send(request + "\r\n" + body);
    again.http.response()
}

#[test]
fn a_post_must_accept_both_kinds_of_answer() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    let body = list(1).to_string();
    let check = |accept: &[&str], status: u16| {
        let mut fields = vec![("content-type", "application/json")];
        fields.extend(accept.iter().map(|a| ("accept", *a)));
        let answer = ask(&client, "POST", &fields, &body);
        assert_eq!(answer.status, status, "{accept:?}");
        if status != 200 {
            assert_eq!(answer.json()["error"]["code"], -32600, "{accept:?}");
        }
    };
    check(&[ACCEPT], 200);
    check(&["text/event-stream , application/json;q=0.9"], 200);
    check(&["Application/JSON", "TEXT/event-stream"], 200);
    check(&["*/*"], 200);
    check(&[], 200);
    check(&["application/json"], 406);
    check(&["text/event-stream"], 406);
    check(&["text/html"], 406);
    check(&["application/jsonx, text/event-streamy"], 406);
}

#[test]
fn c4_a_get_must_accept_an_event_stream() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"#,
        r#""message":"Not Acceptable: Client must accept text/event-stream"}}"#
    );
    for fields in [&[][..], &[("accept", "application/json")], &[("accept", "text/html")]] {
        let answer = ask(&client, "GET", fields, "");
        assert_eq!((answer.status, answer.text()), (406, body.into()), "{fields:?}");
    }
}

#[test]
fn a_post_must_be_json() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    let body = list(1).to_string();
    let check = |content_type: Option<&str>, status: u16| {
        let mut fields = vec![("accept", ACCEPT)];
        fields.extend(content_type.map(|t| ("content-type", t)));
        assert_eq!(ask(&client, "POST", &fields, &body).status, status, "{content_type:?}");
    };
    check(Some("application/json"), 200);
    check(Some("application/json; charset=utf-8"), 200);
    check(Some("Application/JSON"), 200);
    check(Some("text/plain"), 415);
    check(Some("application/jsonp"), 415);
    check(Some("application/x-www-form-urlencoded"), 415);
    check(None, 415);
}

#[test]
fn other_methods_are_not_allowed_and_told_which_are() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = ask(&client, method, &[("accept", ACCEPT)], "");
        let allow = answer.head.field("allow").unwrap_or_default().to_owned();
        assert_eq!(answer.status, 405, "{method}");
        assert!(["GET", "POST", "DELETE"].iter().all(|m| allow.contains(m)), "{allow}");
    }
}

#[test]
fn c5_a_body_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let a = mock("a");
    let world = World::over(&a);
    let limit = 8 << 20;
    let of_size = |size: usize| {
        let bare = call(1, "a_echo", json!({"t": ""})).to_string().len();
        call(1, "a_echo", json!({"t": "x".repeat(size - bare)})).to_string()
    };
    let mut client = world.client();
    let whole = of_size(limit);
    assert_eq!(whole.len(), limit);
    let answer = client.post_text(&whole);
    assert_eq!((answer.status, &answer.json()["result"]["isError"]), (200, &json!(false)));

    let mut client = world.client();
    let head =
        client.head("POST", &format!("content-type: application/json\r\ncontent-length: {}\r\n", limit + 1));
    client.http.send(head);
    let answer = client.http.response();
    assert_eq!((answer.status, answer.head.field("connection")), (413, Some("close")));
    client.http.closed();

    let mut client = world.client();
    let head = client.head("POST", "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
    client.http.send(head);
    let chunk = "x".repeat(1 << 20);
    for _ in 0..9 {
        if !client.http.try_send(format!("{:x}\r\n{chunk}\r\n", chunk.len())) {
            break;
        }
    }
    assert_eq!(client.http.response().status, 413);
}

#[test]
fn batches_and_what_is_no_message_are_refused() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let mut check = |body: &str, status: u16, code: i64| {
        let answer = client.post_text(body);
        let error = answer.json();
        assert_eq!((answer.status, &error["error"]["code"]), (status, &json!(code)), "{body}: {error}");
    };
    check(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32600);
    check("[]", 400, -32600);
    check(r#" [ {"jsonrpc":"2.0","method":"notifications/initialized"} ]"#, 400, -32600);
    check("{", 400, -32700);
    check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}x"#, 400, -32700);
    check("nonsense", 400, -32700);
    check("3", 400, -32600);
    check("{}", 400, -32600);
    check(r#"{"id":1,"method":"ping"}"#, 400, -32600);
    check(r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, 400, -32600);
    check(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, 400, -32600);
    check(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#, 400, -32600);
}

#[test]
fn c6_a_host_that_is_not_this_machine_is_forbidden_on_loopback() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--allowed-host", "gateway.test"]);
    let client = world.client();
    let body = list(1).to_string();
    let check = |host: &str, status: u16| {
        let fields = [("host", host), ("accept", ACCEPT), ("content-type", "application/json")];
        let answer = ask(&client, "POST", &fields, &body);
        assert_eq!(answer.status, status, "{host}: {}", answer.text());
    };
    let port = world.gateway.addr.port();
    check("localhost", 200);
    check(&format!("localhost:{port}"), 200);
    check(&format!("127.0.0.1:{port}"), 200);
    check(&format!("[::1]:{port}"), 200);
    check("vmcp-demo", 200);
    check("vmcp-demo.default.svc.cluster.local:4483", 200);
    check("gateway.test", 200);
    check("evil.example.com", 403);
    check(&format!("evil.example.com:{port}"), 403);
    check("localhost.evil.example.com", 403);
    check("127.0.0.1.evil.example.com", 403);
    check("vmcp-demo.default.svc.evil.example.com", 403);
}

#[test]
fn a_page_of_another_origin_is_forbidden() {
    let a = mock("a");
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::with([&vmcp], &["--allowed-origin", "https://inspector.example"]);
    let client = world.client();
    let body = list(1).to_string();
    let check = |origin: &str, status: u16| {
        for method in ["POST", "GET", "DELETE"] {
            if method != "POST" && status == 200 {
                continue;
            }
            let mut fields = vec![("accept", ACCEPT), ("origin", origin)];
            let body = if method == "POST" {
                fields.push(("content-type", "application/json"));
                &*body
            } else {
                ""
            };
            let answer = ask(&client, method, &fields, body);
            assert_eq!(answer.status, status, "{method} {origin}: {}", answer.text());
        }
    };
    check("http://localhost", 200);
    check("http://localhost:6274", 200);
    check("http://127.0.0.1:3000", 200);
    check("https://inspector.example", 200);
    check("https://evil.example", 403);
    check("http://inspector.example", 403);
    check("null", 403);
    check("", 403);
    check("http://localhost.evil.example", 403);
}

#[test]
fn an_unknown_protocol_version_is_refused() {
    let a = mock("a");
    let world = World::over(&a);
    let client = world.client();
    let body = list(1).to_string();
    for (version, status) in [("2025-06-18", 200), ("2025-11-25", 200), ("1999-01-01", 400), ("", 400)] {
        let fields =
            [("mcp-protocol-version", version), ("accept", ACCEPT), ("content-type", "application/json")];
        assert_eq!(ask(&client, "POST", &fields, &body).status, status, "{version}");
    }
}

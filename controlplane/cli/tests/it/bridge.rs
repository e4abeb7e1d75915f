//! `tidegate bridge` between HTTP clients and a stdio server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;

use crate::processes::{DEADLINE, Running, fixture, free_port, is_alive, tidegate, wait_for};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

struct Bridge {
    process: Running,
    port: u16,
}

/// A response as it came over the wire.
struct Response {
    status: u16,
    head: String,
    body: BufReader<TcpStream>,
}

impl Bridge {
    fn start(extra: &[&str]) -> Self {
        let port = free_port();
        let mut command = tidegate();
        command.args(["bridge", "--listen", &format!("127.0.0.1:{port}")]).args(extra);
        command.args(["--", "python3", fixture("stdio_server.py").to_str().unwrap()]);
        let mut process = Running::start(command);
        process.expect("bridge ready");
        Self { process, port }
    }

    fn request(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut head =
            format!("{method} /mcp HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        let defaults = [
            ("Host", "localhost"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        let missing = defaults.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        headers.iter().chain(missing).for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        Response::read(BufReader::new(stream))
    }

    fn open(&self) -> String {
        let response = self.request("POST", &[], INITIALIZE);
        assert_eq!(response.status, 200, "{}", response.head);
        response.header("mcp-session-id").unwrap()
    }

    fn call(&self, session: &str, id: u32, tool: &str) -> Response {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","_meta":{{"progressToken":"p{id}"}}}}}}"#
        );
        self.request("POST", &[("Mcp-Session-Id", session)], &body)
    }

    fn pid(&self, session: &str) -> i32 {
        let body = self.call(session, 900, "pid").text();
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        value["result"]["content"][0]["text"].as_str().unwrap().parse().unwrap()
    }
}

impl Response {
    fn read(mut body: BufReader<TcpStream>) -> Self {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(body.read_line(&mut head).unwrap(), 0, "cut off: {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body }
    }

    fn header(&self, name: &str) -> Option<String> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map(str::to_owned)
    }

    /// The whole body; chunks are put together.
    fn text(mut self) -> String {
        let mut raw = Vec::new();
        self.body.read_to_end(&mut raw).unwrap();
        if self.header("transfer-encoding").is_none() {
            return String::from_utf8(raw).unwrap();
        }
        let (mut rest, mut text) = (&raw[..], Vec::new());
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            if size == 0 {
                return String::from_utf8(text).unwrap();
            }
            text.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 4 + size..];
        }
    }

    /// The next `data:` line of an event stream.
    fn next_data(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.body.read_line(&mut line).unwrap(), 0, "the stream ended");
            if let Some(data) = line.trim_end().strip_prefix("data: ") {
                return data.to_owned();
            }
        }
    }
}

#[tokio::test]
async fn a_real_client_lists_and_calls_through_the_bridge() {
    let bridge = Bridge::start(&[]);
    let url = format!("http://127.0.0.1:{}/mcp", bridge.port);
    let client = ().serve(StreamableHttpClientTransport::from_uri(url)).await.unwrap();
    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(tools.len(), 6);
    let result = client.call_tool(CallToolRequestParams::new("ask")).await.unwrap();
    assert!(format!("{result:?}").contains("answered"), "{result:?}");
    client.cancel().await.unwrap();
}

#[test]
fn results_are_the_servers_bytes() {
    let bridge = Bridge::start(&[]);
    let session = bridge.open();
    let response = bridge.call(&session, 7, "odd");
    assert_eq!(response.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(
        response.text(),
        r#"{"jsonrpc":"2.0",  "result":{"z":1.10,"a":"\u00e9","content":[],"n":12345678901234567890123},"id":7}"#
    );
}

#[test]
fn progress_comes_on_the_calls_own_answer() {
    let bridge = Bridge::start(&[]);
    let session = bridge.open();
    let response = bridge.call(&session, 7, "progress");
    assert_eq!(response.header("content-type").as_deref(), Some("text/event-stream"));
    let text = response.text();
    let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.len(), 3, "{text}");
    assert!(data[0].contains("\"progressToken\": \"p7\"") && data[2].contains("\"done\""), "{text}");
}

#[test]
fn each_session_has_a_process_of_its_own_which_ends_with_it() {
    let bridge = Bridge::start(&[]);
    let (first, second) = (bridge.open(), bridge.open());
    let (first_pid, second_pid) = (bridge.pid(&first), bridge.pid(&second));
    assert_ne!(first_pid, second_pid);
    let deleted = bridge.request("DELETE", &[("Mcp-Session-Id", &first)], "");
    assert_eq!(deleted.status, 204);
    assert_eq!(bridge.call(&first, 1, "pid").status, 404);
    wait_for("the first process to end", || (!is_alive(first_pid)).then_some(()));
    assert_eq!(bridge.pid(&second), second_pid);
}

#[test]
fn the_standalone_stream_gets_what_belongs_to_no_call() {
    let bridge = Bridge::start(&[]);
    let session = bridge.open();
    assert_eq!(bridge.call(&session, 1, "change").status, 200);
    let mut stream = bridge.request("GET", &[("Mcp-Session-Id", &session)], "");
    assert_eq!(stream.status, 200);
    assert!(stream.next_data().contains("notifications/tools/list_changed"));
    assert_eq!(bridge.call(&session, 2, "change").status, 200);
    assert!(stream.next_data().contains("notifications/tools/list_changed"));
}

#[test]
fn the_death_of_the_server_fails_the_call_and_ends_the_session() {
    let bridge = Bridge::start(&[]);
    let session = bridge.open();
    let response = bridge.call(&session, 5, "die");
    assert_eq!(response.status, 502);
    let text = response.text();
    assert!(text.contains("\"id\":5") && text.contains("the server process has ended"), "{text}");
    wait_for("404", || (bridge.call(&session, 6, "pid").status == 404).then_some(()));
}

#[test]
fn at_the_limit_an_idle_session_makes_room_and_one_in_use_does_not() {
    let bridge = Bridge::start(&["--max-sessions", "1"]);
    let first = bridge.open();
    let second = bridge.open();
    assert_eq!(bridge.call(&first, 1, "pid").status, 404);
    let stream = bridge.request("GET", &[("Mcp-Session-Id", &second)], "");
    assert_eq!(stream.status, 200);
    assert_eq!(bridge.request("POST", &[], INITIALIZE).status, 503);
    drop(stream);
    wait_for("room", || (bridge.request("POST", &[], INITIALIZE).status == 200).then_some(()));
}

#[test]
fn idle_sessions_are_closed() {
    let bridge = Bridge::start(&["--idle-seconds", "1"]);
    let session = bridge.open();
    let pid = bridge.pid(&session);
    wait_for("the idle process to end", || (!is_alive(pid)).then_some(()));
    assert_eq!(bridge.call(&session, 1, "pid").status, 404);
}

#[test]
fn requests_that_are_not_streamable_http_are_refused() {
    let bridge = Bridge::start(&[]);
    let check = |method: &str, headers: &[(&str, &str)], body: &str, status: u16| {
        let response = bridge.request(method, headers, body);
        assert_eq!(response.status, status, "{method} {headers:?} {body}");
    };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    check("POST", &[], ping, 400);
    check("POST", &[("Mcp-Session-Id", "unknown")], ping, 404);
    check("POST", &[], "{", 400);
    check("POST", &[], &format!("[{ping}]"), 400);
    check("POST", &[("Content-Type", "text/plain")], INITIALIZE, 415);
    check("POST", &[("Accept", "application/json")], INITIALIZE, 406);
    check("POST", &[("Host", "example.com")], INITIALIZE, 403);
    check("POST", &[("Origin", "https://example.com")], INITIALIZE, 403);
    check("POST", &[("Origin", "http://localhost:3000")], INITIALIZE, 200);
    check("PUT", &[], "", 405);
    check("GET", &[], "", 400);
}

#[test]
fn the_end_of_the_bridge_is_the_end_of_its_servers() {
    let mut bridge = Bridge::start(&[]);
    let session = bridge.open();
    let pid = bridge.pid(&session);
    bridge.process.signal(Signal::SIGTERM);
    assert_eq!(bridge.process.wait(), Some(0));
    assert!(!is_alive(pid));
}

#[test]
fn a_port_in_use_is_said_with_the_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = tidegate().args(["bridge", "--listen", &address, "--", "cat"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("--listen {address}: cannot listen there")), "{error}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_copy_in_another_folder_is_the_same_program() {
    let folder = tempfile::tempdir().unwrap();
    // twice: an init container may be run again
    for _ in 0..2 {
        let status = tidegate().arg("copy-to").arg(folder.path()).status().unwrap();
        assert!(status.success());
    }
    let copy = std::process::Command::new(folder.path().join("tidegate")).arg("--version").output().unwrap();
    assert_eq!(copy.stdout, tidegate().arg("--version").output().unwrap().stdout);
    assert!(copy.status.success() && !copy.stdout.is_empty());
    let missing = tidegate().arg("copy-to").arg(folder.path().join("missing")).output().unwrap();
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("cannot copy"), "{missing:?}");
}

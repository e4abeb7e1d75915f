//! An MCP client, as thin as can be.

use super::http::{Answer, Http};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

/// What every request needs to be taken.
pub(crate) const ACCEPT: &str = "application/json, text/event-stream";

/// One session on one connection.
pub(crate) struct Client {
    pub(crate) http: Http,
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) session: String,
}

impl Client {
    /// Initializes and says so.
    #[track_caller]
    pub(crate) fn open(addr: SocketAddr, path: &str) -> Self {
        Self::open_as(addr, path, "localhost")
    }

    /// The same with another Host.
    #[track_caller]
    pub(crate) fn open_as(addr: SocketAddr, path: &str, host: &str) -> Self {
        let mut client = Self::without_session(addr, path);
        client.host = host.into();
        client.initialized()
    }

    /// Initializes on a connection that is there, and says so.
    #[track_caller]
    pub(crate) fn open_on(http: Http, addr: SocketAddr, path: &str) -> Self {
        let (path, host, session) = (path.into(), "localhost".into(), String::new());
        Self { http, addr, path, host, session }.initialized()
    }

    #[track_caller]
    fn initialized(self) -> Self {
        let mut client = self;
        let answer = client.post(&initialize("2025-11-25"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        client.session = answer.head.field("mcp-session-id").expect("a session").into();
        assert_eq!(client.post(&initialized()).status, 202);
        client
    }

    /// A connection only.
    #[track_caller]
    pub(crate) fn without_session(addr: SocketAddr, path: &str) -> Self {
        let (path, host, session) = (path.into(), "localhost".into(), String::new());
        Self { http: Http::connect(addr), addr, path, host, session }
    }

    /// The same session on another connection.
    #[track_caller]
    pub(crate) fn again(&self) -> Self {
        self.over(Http::connect(self.addr))
    }

    /// The same session on a connection from another address of this machine.
    #[track_caller]
    pub(crate) fn again_from(&self, from: IpAddr) -> Self {
        self.over(Http::connect_from(from, self.addr))
    }

    /// The same session on a connection that is there.
    pub(crate) fn over(&self, http: Http) -> Self {
        let (path, host) = (self.path.clone(), self.host.clone());
        Self { http, addr: self.addr, path, host, session: self.session.clone() }
    }

    /// The bytes of a POST.
    pub(crate) fn request(&self, body: &str) -> String {
        let head = self
            .head("POST", &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        format!("{head}{body}")
    }

    /// A head with the fields that every request has; `more` ends its lines.
    pub(crate) fn head(&self, method: &str, more: &str) -> String {
        let Self { path, host, .. } = self;
        let session = if self.session.is_empty() {
            String::new()
        } else {
            format!("mcp-session-id: {}\r\nmcp-protocol-version: 2025-11-25\r\n", self.session)
        };
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: {ACCEPT}\r\n{session}{more}\r\n")
    }

    #[track_caller]
    pub(crate) fn send(&mut self, message: &Value) {
        let request = self.request(&message.to_string());
        self.http.send(request);
    }

    #[track_caller]
    pub(crate) fn post(&mut self, message: &Value) -> Answer {
        self.send(message);
        self.http.response()
    }

    #[track_caller]
    pub(crate) fn post_text(&mut self, body: &str) -> Answer {
        let request = self.request(body);
        self.http.send(request);
        self.http.response()
    }

    /// The result of a call that is answered with JSON.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.post(&call(1, tool, arguments));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut message = answer.json();
        assert!(message["id"] == 1 && message["error"].is_null(), "{tool}: {message}");
        message["result"].take()
    }

    /// The text of a call's result.
    #[track_caller]
    pub(crate) fn call_text(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("a text: {result}")).to_owned()
    }

    /// Names of the tools, as listed.
    #[track_caller]
    pub(crate) fn tools(&mut self) -> Vec<String> {
        let answer = self.post(&list(7));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let message = answer.json();
        let tools = message["result"]["tools"].as_array().unwrap_or_else(|| panic!("a list: {message}"));
        tools.iter().map(|t| t["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Opens the GET stream on a connection of its own; the head is read.
    #[track_caller]
    pub(crate) fn listen(&self) -> Http {
        let mut http = Http::connect(self.addr);
        http.send(self.head("GET", ""));
        let head = http.head();
        assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")), "{head:?}");
        http
    }

    /// Ends the session.
    #[track_caller]
    pub(crate) fn delete(&mut self) -> Answer {
        let request = self.head("DELETE", "");
        self.http.send(request);
        self.http.response()
    }
}

pub(crate) fn initialize(version: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "it", "version": "1"}}})
}

pub(crate) fn initialized() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

pub(crate) fn list(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})
}

pub(crate) fn ping(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"})
}

pub(crate) fn call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

/// A call that asks for progress.
pub(crate) fn call_with_progress(id: u64, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}}})
}

pub(crate) fn cancelled(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

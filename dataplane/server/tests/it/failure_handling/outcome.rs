//! What a client saw of one call, in words.

use crate::support::http::Http;
use crate::support::mcp::{ACCEPT, Client, call_with_progress};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An answer, or what came in its place.
pub(super) struct Outcome {
    pub(super) what: String,
    took: Duration,
}

/// Of the settings of the table, in the order of their lengths: what an answer may have waited for.
const BOUNDS: [(Duration, &str); 3] = [
    (Duration::from_secs(1), "connect timeout"),
    (Duration::from_secs(2), "idle timeout"),
    (Duration::from_secs(3), "call timeout"),
];

/// Characters of a text that are shown.
const SHOWN: usize = 160;

/// Calls a tool on a connection of its own; `meanwhile` happens between the request and the answer.
pub(super) fn outcome(client: &Client, tool: &str, meanwhile: impl FnOnce()) -> Outcome {
    let body = call_with_progress(1, tool, json!({"ms": 600_000})).to_string();
    let mut http = Http::connect(client.addr);
    let start = Instant::now();
    http.send(format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\naccept: {ACCEPT}\r\nmcp-session-id: {}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        client.path,
        client.session,
        body.len()
    ));
    meanwhile();
    let answer = http.into_rest();
    Outcome { took: start.elapsed(), what: describe(&answer) }
}

impl Outcome {
    /// Which of the bounds it waited for.
    pub(super) fn when(&self) -> &'static str {
        let reached = BOUNDS.iter().rfind(|(bound, _)| self.took >= *bound);
        reached.map_or("at once", |(_, name)| name)
    }
}

/// The whole answer on one line: HTTP status, and the JSON-RPC message or what is there of it.
fn describe(answer: &str) -> String {
    let Some(status) = answer.strip_prefix("HTTP/1.1 ").and_then(|a| a.get(..3)) else {
        return "the connection is closed without an answer".into();
    };
    let messages: Vec<Value> = answer
        .lines()
        .filter_map(|l| serde_json::from_str(l.strip_prefix("data: ").unwrap_or(l)).ok())
        .collect();
    let events = messages.iter().filter(|m| m["method"].is_string()).count();
    let events = match events {
        0 => String::new(),
        1 => "an event, then ".into(),
        n => format!("{n} events, then "),
    };
    let last = messages.iter().find(|m| m.get("result").or(m.get("error")).is_some());
    format!("{status}, {events}{}", last.map_or_else(|| nothing(answer).into(), message))
}

/// What there is when no message can be read.
fn nothing(answer: &str) -> &'static str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    if length == Some(body.len()) || body.ends_with("\r\n0\r\n\r\n") {
        "the body as the backend sent it"
    } else {
        "the connection is closed in the middle of the body"
    }
}

fn message(message: &Value) -> String {
    if let Some(error) = message.get("error") {
        return format!("error {}: `{}`", error["code"], error["message"].as_str().unwrap_or_default());
    }
    let result = &message["result"];
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    let kind = if result["isError"] == true { "`isError`" } else { "the result" };
    let id = if message["id"] == 1 { "" } else { " under the id that the backend gave it" };
    match text.len() {
        0 => format!("{kind}{id}"),
        n if n > SHOWN => format!("{kind}{id}, whole"),
        _ => format!("{kind}{id}: `{text}`"),
    }
}

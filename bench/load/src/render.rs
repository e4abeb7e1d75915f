//! Requests as bytes, written once per session; only the id changes from one to the next.

use crate::args::Method;
use crate::plan::{Plan, Target};

/// Ids have ten digits, so that the length of a request never changes.
const FIRST_ID: u64 = 1_000_000_000;
const DIGITS: usize = 10;
/// Where the id will stand; never sent.
const NO_ID: &str = "0000000000";

/// A request that can be sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    id_at: Option<usize>,
}

/// What a session adds to each request.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionHeaders {
    /// `Mcp-Session-Id`, unless the server gave none.
    pub(crate) id: Option<String>,
    /// Negotiated version; empty before.
    pub(crate) version: String,
}

/// The next id of a connection.
pub(crate) fn id_number(n: u64) -> u64 {
    FIRST_ID + n % (9 * FIRST_ID)
}

impl Request {
    /// `initialize`.
    pub(crate) fn initialize(plan: &Plan, target: &Target) -> Self {
        let protocol = &plan.protocol;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{NO_ID},"method":"initialize","params":{{"protocolVersion":"{protocol}","capabilities":{{}},"clientInfo":{{"name":"tidegate-load","version":"{}"}}}}}}"#,
            env!("CARGO_PKG_VERSION")
        );
        Self::post(plan, target, &SessionHeaders::default(), &body)
    }

    /// `notifications/initialized`.
    pub(crate) fn initialized(plan: &Plan, target: &Target, session: &SessionHeaders) -> Self {
        Self::post(plan, target, session, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    }

    /// The first page of the list of tools.
    pub(crate) fn list(plan: &Plan, target: &Target, session: &SessionHeaders) -> Self {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{NO_ID},"method":"tools/list"}}"#);
        Self::post(plan, target, session, &body)
    }

    /// The request that is measured; for whole sessions, the call within.
    pub(crate) fn measured(plan: &Plan, target: &Target, session: &SessionHeaders, tool: &str) -> Self {
        let body = match plan.method {
            Method::Ping => format!(r#"{{"jsonrpc":"2.0","id":{NO_ID},"method":"ping"}}"#),
            Method::List => return Self::list(plan, target, session),
            Method::Call | Method::Session => {
                let name = serde_json::Value::from(tool);
                let arguments = &plan.arguments;
                let meta = if plan.progress { r#","_meta":{"progressToken":"load"}"# } else { "" };
                format!(
                    r#"{{"jsonrpc":"2.0","id":{NO_ID},"method":"tools/call","params":{{"name":{name},"arguments":{arguments}{meta}}}}}"#
                )
            }
        };
        Self::post(plan, target, session, &body)
    }

    /// DELETE of a session.
    pub(crate) fn delete(plan: &Plan, target: &Target, session: &SessionHeaders) -> Self {
        Self { bytes: head("DELETE", plan, target, session, "").into_bytes(), id_at: None }
    }

    /// GET, which opens the stream of a session.
    pub(crate) fn listen(plan: &Plan, target: &Target, session: &SessionHeaders) -> Self {
        Self { bytes: head("GET", plan, target, session, "").into_bytes(), id_at: None }
    }

    /// The bytes with this id.
    pub(crate) fn with_id(&mut self, id: u64) -> &[u8] {
        if let Some(at) = self.id_at {
            let mut rest = id;
            for digit in self.bytes[at..at + DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        &self.bytes
    }

    fn post(plan: &Plan, target: &Target, session: &SessionHeaders, body: &str) -> Self {
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let mut text = head("POST", plan, target, session, &length);
        let id_at = body.find(NO_ID).map(|at| text.len() + at);
        text.push_str(body);
        Self { bytes: text.into_bytes(), id_at }
    }
}

fn head(method: &str, plan: &Plan, target: &Target, session: &SessionHeaders, more: &str) -> String {
    let mut head = format!(
        "{method} {} HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n{more}{}",
        target.path, target.host, plan.headers
    );
    if !session.version.is_empty() {
        head.push_str(&format!("mcp-protocol-version: {}\r\n", session.version));
    }
    if let Some(id) = &session.id {
        head.push_str(&format!("mcp-session-id: {id}\r\n"));
    }
    head.push_str("\r\n");
    head
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn only_the_id_changes_between_two_requests() {
        let args = Args::parse_from(["load", "--url", "http://127.0.0.1:1/mcp", "--args", r#"{"a":1}"#]);
        let plan = Plan::try_from(args).unwrap();
        let session = SessionHeaders { id: Some("s".into()), version: "2025-06-18".into() };
        let mut request = Request::measured(&plan, &plan.targets[0], &session, "e\"cho");
        let first = String::from_utf8(request.with_id(id_number(0)).to_vec()).unwrap();
        let second = String::from_utf8(request.with_id(id_number(12)).to_vec()).unwrap();
        assert_eq!(first.replace("1000000000", "1000000012"), second);
        let (head, body) = second.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("mcp-session-id: s") && head.contains(&format!("content-length: {}", body.len()))
        );
        let expected = r#"{"jsonrpc":"2.0","id":1000000012,"method":"tools/call","params":{"name":"e\"cho","arguments":{"a":1}}}"#;
        assert_eq!(body, expected);
    }
}

//! Which headers a manifest may add or pass through (spec 6.8, 6.9).

use std::collections::BTreeSet;

use tidegate_controlplane_api::types::HeaderForward;
use tidegate_proto::table::Header;

use crate::report::Report;

/// Headers of a connection, and those by which proxies speak to each other.
const RESTRICTED: [&str; 17] = [
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "transfer-encoding",
    "content-length",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];
/// Headers that the gateway speaks MCP with; the session id would hand a client's session to a backend.
const PROTOCOL: [&str; 10] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-type",
    "expect",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
];
/// The caller's credentials for this gateway.
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

const RESTRICTED_REMEDY: &str = "remove it: the gateway sets this header itself, or must keep it to itself";

/// The headers that are added to each request, if all of them may be.
pub(crate) fn added(report: &mut Report<'_>, forward: Option<&HeaderForward>) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for (name, value) in forward.into_iter().flat_map(|forward| &forward.add_plaintext_headers) {
        let field = format!("spec.headerForward.addPlaintextHeaders[{name}]");
        let lower = name.to_ascii_lowercase();
        let problem = if !is_name(name) {
            Some((format!("{name:?} is not a header name"), "use letters, digits and '-'"))
        } else if RESTRICTED.contains(&lower.as_str()) || PROTOCOL.contains(&lower.as_str()) {
            let message = format!("{name:?} is a restricted header and cannot be forwarded");
            Some((message, RESTRICTED_REMEDY))
        } else if !is_value(value) {
            let message = "the value has characters that a header cannot have".to_owned();
            Some((message, "use printable ASCII characters, on one line"))
        } else if headers.iter().any(|header| header.name == lower) {
            Some((format!("{name:?} is given twice, in different case"), "keep one of the two"))
        } else {
            None
        };
        match problem {
            Some((message, remedy)) => report.invalid("bad-header", &field, message, remedy),
            None => headers.push(Header { name: lower, value: value.clone() }),
        }
    }
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    headers
}

/// The client headers that are copied to the backends, lower case, each once.
pub(crate) fn passed_through(report: &mut Report<'_>, names: &[String]) -> Vec<String> {
    let mut passed = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let field = format!("spec.passthroughHeaders[{index}]");
        let lower = name.to_ascii_lowercase();
        let restricted =
            [&RESTRICTED[..], &PROTOCOL, &CREDENTIALS].iter().any(|l| l.contains(&lower.as_str()));
        if restricted {
            let message = format!(
                "passthroughHeaders[{index}]: {name:?} is a restricted header and cannot be forwarded"
            );
            report.invalid("bad-header", &field, message, RESTRICTED_REMEDY);
        } else if !is_name(name) {
            let message = format!("{name:?} is not a header name");
            report.invalid("bad-header", &field, message, "use letters, digits and '-'");
        } else {
            passed.insert(lower);
        }
    }
    passed.into_iter().collect()
}

/// A token of RFC 9110.
fn is_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=255).contains(&name.len()) && name.bytes().all(token)
}

fn is_value(value: &str) -> bool {
    value.len() <= 8192
        && value.trim() == value
        && value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

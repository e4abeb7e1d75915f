//! What each header field means to the gateway. Names are told apart by length and then as words: most need one
//! comparison or none.

use super::class;
use super::lines::Header;
use crate::word::Words;

/// The meaning of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// No meaning here: goes on.
    Pass,
    /// Ends here: hop-by-hop, written anew by the gateway, or not for the other side's eyes.
    Drop,
    Accept,
    Authorization,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentType,
    Expect,
    Host,
    LastEventId,
    McpMethod,
    McpName,
    Origin,
    ProtocolVersion,
    RetryAfter,
    Session,
    /// One of [`TOLD`]: goes on.
    Told(u8),
    TransferEncoding,
    Upgrade,
}

/// Fields of a request that say who calls and carry the trace: the way of every call reads them, so they are found
/// while the head is read.
pub(crate) const TOLD: [&str; 4] = ["user-agent", "traceparent", "tracestate", "baggage"];

/// The meaning of a field of a request.
#[inline]
pub(crate) fn of_request(name: &[u8]) -> Field {
    let words = Words::small(name);
    macro_rules! is {
        ($small:literal) => {
            words == const { Words::small($small.as_bytes()) }
                && ($small.len() <= 16 || name.eq_ignore_ascii_case($small.as_bytes()))
        };
    }
    match name.len() {
        2 if is!("te") => Field::Drop,
        4 if is!("host") => Field::Host,
        5 if is!("range") => Field::Drop,
        6 if is!("accept") => Field::Accept,
        6 if is!("origin") => Field::Origin,
        6 if is!("expect") => Field::Expect,
        6 if is!("cookie") => Field::Drop,
        7 if is!("upgrade") => Field::Upgrade,
        7 if is!("trailer") => Field::Drop,
        7 if is!("baggage") => Field::Told(3),
        8 if is!("mcp-name") => Field::McpName,
        9 if is!("forwarded") || is!("x-real-ip") => Field::Drop,
        10 if is!("connection") => Field::Connection,
        10 if is!("mcp-method") => Field::McpMethod,
        10 if is!("keep-alive") => Field::Drop,
        10 if is!("user-agent") => Field::Told(0),
        10 if is!("tracestate") => Field::Told(2),
        11 if is!("traceparent") => Field::Told(1),
        12 if is!("content-type") => Field::ContentType,
        13 if is!("authorization") => Field::Authorization,
        13 if is!("last-event-id") => Field::LastEventId,
        14 if is!("content-length") => Field::ContentLength,
        14 if is!("mcp-session-id") => Field::Session,
        14 if is!("http2-settings") => Field::Drop,
        15 if is!("accept-encoding") => Field::Drop,
        16 if is!("content-encoding") => Field::ContentEncoding,
        17 if is!("transfer-encoding") => Field::TransferEncoding,
        20 if is!("mcp-protocol-version") => Field::ProtocolVersion,
        _ if dropped_from_request(name) => Field::Drop,
        _ => Field::Pass,
    }
}

/// The meaning of a field of a response.
#[inline]
pub(crate) fn of_response(name: &[u8]) -> Field {
    let words = Words::small(name);
    macro_rules! is {
        ($small:literal) => {
            words == const { Words::small($small.as_bytes()) }
                && ($small.len() <= 16 || name.eq_ignore_ascii_case($small.as_bytes()))
        };
    }
    match name.len() {
        2 if is!("te") => Field::Drop,
        // alternative services and transport security are promises about the backend's origin, not the gateway's
        7 if is!("trailer") || is!("upgrade") || is!("alt-svc") => Field::Drop,
        10 if is!("connection") => Field::Connection,
        10 if is!("keep-alive") || is!("set-cookie") => Field::Drop,
        11 if is!("retry-after") => Field::RetryAfter,
        12 if is!("content-type") => Field::ContentType,
        14 if is!("content-length") => Field::ContentLength,
        14 if is!("mcp-session-id") => Field::Session,
        16 if is!("content-encoding") => Field::ContentEncoding,
        17 if is!("transfer-encoding") => Field::TransferEncoding,
        20 if is!("mcp-protocol-version") => Field::ProtocolVersion,
        25 if is!("strict-transport-security") => Field::Drop,
        _ if dropped_from_response(name) => Field::Drop,
        _ => Field::Pass,
    }
}

/// Families of request fields that end here: what only a proxy may say, what makes a backend route by something
/// else than the request, what belongs to MCP but was not recomputed from the body, and conditions that would let
/// a backend answer without a body.
fn dropped_from_request(name: &[u8]) -> bool {
    let family: &[&str] = match name.first().map(u8::to_ascii_lowercase) {
        Some(b'i') => &["if-"],
        Some(b'm') => &["mcp-"],
        Some(b'p') => &["proxy-"],
        Some(b'x') => &["x-forwarded-", "x-original-", "x-rewrite-", "x-http-method", "x-method-override"],
        _ => &[],
    };
    // servers behind a CGI-like interface read `x_real_ip` and `x.real.ip` as `x-real-ip`
    starts_with_any(name, family) || !class::all(name, class::PLAIN)
}

/// Families of response fields that end here: hop-by-hop, MCP's own, cross-origin permissions (the gateway's to
/// give) and orders to a proxy in front of the gateway.
fn dropped_from_response(name: &[u8]) -> bool {
    let family: &[&str] = match name.first().map(u8::to_ascii_lowercase) {
        Some(b'a') => &["access-control-"],
        Some(b'm') => &["mcp-"],
        Some(b'p') => &["proxy-"],
        Some(b's') => &["set-cookie"],
        Some(b'x') => &["x-accel-redirect", "x-sendfile"],
        _ => &[],
    };
    starts_with_any(name, family) || !class::all(name, class::PLAIN)
}

fn starts_with_any(name: &[u8], family: &[&str]) -> bool {
    family.iter().any(|p| name.len() >= p.len() && name[..p.len()].eq_ignore_ascii_case(p.as_bytes()))
}

/// Appends `name: value` and a line end.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, f: &Header<'_>) {
    out.reserve(f.name.len() + f.value.len() + 4);
    out.extend_from_slice(f.name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(f.value);
    out.extend_from_slice(b"\r\n");
}

/// Remembers the value of a field that may be there once.
#[inline]
pub(crate) fn once<'b>(
    slot: &mut Option<&'b [u8]>,
    value: &'b [u8],
    repeated: &'static str,
) -> Result<(), super::HttpError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(super::HttpError::BadRequest(repeated)),
    }
}

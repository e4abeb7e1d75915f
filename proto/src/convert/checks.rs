//! Checks of single values. What passes them can be put into a request head, a URL or a log line as it is.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::Problem;

/// Longest duration that is taken: 100 years, so that adding it to a point in time cannot overflow.
pub(crate) const MAX_MS: u64 = 100 * 366 * 24 * 3600 * 1000;

/// Headers that frame messages or belong to one connection: never configured, always the gateway's own.
const CONNECTION_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A name or an id: not empty, no control characters.
pub(crate) fn name(text: String) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    free_text(text)
}

/// A text that may be empty, without control characters.
pub(crate) fn free_text(text: String) -> Result<String, Problem> {
    if text.chars().any(char::is_control) { Err(Problem::Control) } else { Ok(text) }
}

/// A part of a name that is joined with `/`.
pub(crate) fn name_part(text: String) -> Result<String, Problem> {
    let text = name(text)?;
    if text.contains('/') { Err(Problem::Slash) } else { Ok(text) }
}

/// The path of a request line.
pub(crate) fn path(text: String) -> Result<String, Problem> {
    if !text.starts_with('/') {
        return Err(Problem::LeadingSlash);
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::NotVisibleAscii);
    }
    Ok(text)
}

/// `host[:port]` for `Host`: visible ASCII without what would end or change an authority.
pub(crate) fn authority(text: String) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]%".contains(&b);
    if text.bytes().all(allowed) { Ok(text) } else { Err(Problem::Authority) }
}

/// An IP address or a DNS name to connect to.
pub(crate) fn host(text: String) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let dns = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let known = text.bytes().all(dns) || text.parse::<Ipv6Addr>().is_ok();
    if known { Ok(text) } else { Err(Problem::Host) }
}

/// A TCP port.
pub(crate) fn port(port: u32) -> Result<u16, Problem> {
    match u16::try_from(port) {
        Ok(p) if p > 0 => Ok(p),
        _ => Err(Problem::Port(port)),
    }
}

/// A header name in lower case that a configuration may set.
pub(crate) fn header_name(text: String) -> Result<String, Problem> {
    let token = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || !text.bytes().all(token) {
        return Err(Problem::HeaderName);
    }
    if CONNECTION_HEADERS.contains(&text.as_str()) {
        return Err(Problem::ConnectionHeader);
    }
    Ok(text)
}

/// A header value: what cannot end the line it stands in.
pub(crate) fn header_value(text: String) -> Result<String, Problem> {
    let allowed = |b: u8| b.is_ascii_graphic() || b == b' ' || b == b'\t';
    if text.bytes().all(allowed) { Ok(text) } else { Err(Problem::HeaderValue) }
}

/// An address with a port that can be bound and told to clients.
pub(crate) fn listen(text: String) -> Result<SocketAddr, Problem> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Ok(address),
        _ => Err(Problem::ListenAddress),
    }
}

/// A duration above zero, in milliseconds.
pub(crate) fn duration(ms: u64) -> Result<Duration, Problem> {
    match ms {
        0 => Err(Problem::Zero),
        1..=MAX_MS => Ok(Duration::from_millis(ms)),
        _ => Err(Problem::TooLong),
    }
}

/// Whole milliseconds, rounded up: a positive duration stays positive.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A count of at least 1.
pub(crate) fn at_least_one(count: u32) -> Result<u32, Problem> {
    if count == 0 { Err(Problem::Zero) } else { Ok(count) }
}

/// Whether each item is greater than the one before it.
pub(crate) fn sorted<T, K: Ord>(items: &[T], key: impl Fn(&T) -> K) -> bool {
    items.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]))
}

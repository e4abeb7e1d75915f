//! The guard against DNS rebinding: which Host and Origin a listener takes (spec 3.5).
//!
//! A page of `evil.example` can make the browser resolve its own name to 127.0.0.1 and then speak to a gateway there
//! as "same origin". Such requests carry the page's name in Host and Origin, and nothing on this machine has it.

use super::Routes;
use super::host::{Authority, MAX_HOST, service_host};

/// Zones under which nobody registers names: those of a Service seen from inside its cluster.
const CLUSTER_ZONES: [&[u8]; 3] = [b"", b"svc", b"svc.cluster.local"];

/// Whether a listener takes requests with this Host. One that is not on a loopback address takes all; one that is takes
/// loopback names with any port, virtual servers' Service names that lead somewhere, and `extra`: entries `host`
/// (any port) or `host:port`.
pub fn host_allowed(local_is_loopback: bool, host: &[u8], extra: &[String], routes: &Routes) -> bool {
    if !local_is_loopback || is_common_loopback(host) {
        return true;
    }
    let Some(sent) = Authority::parse(host) else { return false };
    sent.host.is_loopback()
        || names_virtual_server(host, routes)
        || extra.iter().any(|e| listed_host(&sent, e))
}

/// The two spellings that nearly every request has, without parsing an address.
fn is_common_loopback(host: &[u8]) -> bool {
    let Some(port) = host.strip_prefix(b"127.0.0.1").or_else(|| host.strip_prefix(b"localhost")) else {
        return false;
    };
    match port {
        [] => true,
        [b':', digits @ ..] if matches!(digits.len(), 1..=5) && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')) <= u32::from(u16::MAX)
        }
        _ => false,
    }
}

/// Whether an `Origin` may send requests to this Host: the same host and port (absent ports are the scheme's), any
/// loopback origin towards a loopback Host, or one of `extra`. `null` and what is malformed may not.
pub fn origin_allowed(origin: &[u8], host: &[u8], extra: &[String]) -> bool {
    let Some(parsed) = Origin::parse(origin) else {
        return extra.iter().any(|e| literal(origin, e));
    };
    let local = Authority::parse(host).is_some_and(|host| parsed.is_home_of(&host));
    local && !is_short_service_name(host) || extra.iter().any(|e| parsed.is(e))
}

/// An http(s) origin.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Origin<'a> {
    default_port: u16,
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let scheme = scheme(text)?;
        let authority = Authority::parse(&text[scheme.len() + 3..])?;
        Some(Self { default_port: default_port(scheme)?, authority })
    }

    fn port(&self) -> u16 {
        self.authority.port.unwrap_or(self.default_port)
    }

    fn is_home_of(&self, host: &Authority<'_>) -> bool {
        let same = self.authority.host == host.host && self.port() == host.port.unwrap_or(self.default_port);
        same || self.authority.host.is_loopback() && host.host.is_loopback()
    }

    fn is(&self, entry: &str) -> bool {
        Origin::parse(entry.as_bytes()).is_some_and(|entry| {
            let scheme_and_host =
                self.default_port == entry.default_port && self.authority.host == entry.authority.host;
            scheme_and_host && self.port() == entry.port()
        })
    }
}

/// An origin of another scheme (`vscode-webview://…`) is allowed only as the list has it.
fn literal(origin: &[u8], entry: &str) -> bool {
    scheme(origin).is_some_and(|s| !s.is_empty() && default_port(s).is_none())
        && entry.as_bytes().eq_ignore_ascii_case(origin)
}

fn scheme(origin: &[u8]) -> Option<&[u8]> {
    origin.windows(3).position(|w| w == b"://").map(|end| &origin[..end])
}

fn default_port(scheme: &[u8]) -> Option<u16> {
    match scheme {
        s if s.eq_ignore_ascii_case(b"http") => Some(80),
        s if s.eq_ignore_ascii_case(b"https") => Some(443),
        _ => None,
    }
}

fn listed_host(sent: &Authority<'_>, entry: &str) -> bool {
    Authority::parse(entry.as_bytes())
        .is_some_and(|e| e.host == sent.host && (e.port.is_none() || e.port == sent.port))
}

/// `vmcp-NAME.NAMESPACE.svc.example.com` routes, but anybody may own that name: only the cluster's zones count here.
fn names_virtual_server(host: &[u8], routes: &Routes) -> bool {
    let mut buffer = [0; MAX_HOST];
    service_host(host, &mut buffer).is_some_and(|s| CLUSTER_ZONES.contains(&s.zone))
        && matches!(routes.by_host(host), Some(Ok(_)))
}

/// `vmcp-NAME.NAMESPACE` can be a public name where the namespace is a top-level domain (`dev`), and no page is ever
/// served under it: an origin of that name is a rebound one.
fn is_short_service_name(host: &[u8]) -> bool {
    let mut buffer = [0; MAX_HOST];
    service_host(host, &mut buffer).is_some_and(|s| s.namespace.is_some() && s.zone.is_empty())
}

#[cfg(test)]
mod tests;

//! The forms of a host: `Host`, the authority of an `Origin`, and the names of a virtual server's Service.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest host name in DNS, with the final dot.
pub(super) const MAX_HOST: usize = 254;

/// A host and perhaps a port, checked; without userinfo, path or spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) host: Host<'a>,
    pub(super) port: Option<u16>,
}

/// A host, in a form that compares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Host<'a> {
    /// A DNS name without its final dot.
    Name(&'a [u8]),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// A host of the form `vmcp-NAME[.NAMESPACE[.svc[.ZONE]]]`, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServiceHost<'a> {
    pub(super) name: &'a [u8],
    pub(super) namespace: Option<&'a [u8]>,
    /// What follows the namespace, beginning with `svc`; empty: nothing.
    pub(super) zone: &'a [u8],
}

impl<'a> Authority<'a> {
    /// None for whatever is not exactly `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        if let Some(rest) = text.strip_prefix(b"[") {
            let end = memchr::memchr(b']', rest)?;
            let address = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
            return Some(Self { host: Host::V6(address), port: port(&rest[end + 1..])? });
        }
        let end = memchr::memchr(b':', text).unwrap_or(text.len());
        Some(Self { host: Host::parse(&text[..end])?, port: port(&text[end..])? })
    }
}

impl<'a> Host<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let name = text.strip_suffix(b".").unwrap_or(text);
        let labels_are_sound = name.split(|&b| b == b'.').all(|label| {
            !label.is_empty() && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        });
        if name.len() >= MAX_HOST || !labels_are_sound {
            return None;
        }
        let address = std::str::from_utf8(name).ok()?.parse();
        Some(address.map_or(Self::Name(name), Self::V4))
    }

    /// Whether only this machine answers to it, whoever resolves it.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name.eq_ignore_ascii_case(b"localhost"),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::V4(a), Self::V4(b)) => a == b,
            (Self::V6(a), Self::V6(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Host<'_> {}

/// Reads `host[:port]` as the name of a virtual server's Service; `buffer` takes the lower case.
pub(super) fn service_host<'b>(host: &[u8], buffer: &'b mut [u8; MAX_HOST]) -> Option<ServiceHost<'b>> {
    // most hosts are none: decided on five bytes
    if !host.get(..5)?.eq_ignore_ascii_case(b"vmcp-") {
        return None;
    }
    let Host::Name(name) = Authority::parse(host)?.host else { return None };
    let lower = &mut buffer[..name.len()];
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    split_service(&lower[5..])
}

fn split_service(text: &[u8]) -> Option<ServiceHost<'_>> {
    let (name, rest) = label(text);
    let (namespace, zone) = match rest {
        None => (None, &b""[..]),
        Some(rest) => {
            let (namespace, zone) = label(rest);
            (Some(namespace), zone.unwrap_or_default())
        }
    };
    let zone_is_cluster = zone.is_empty() || label(zone).0 == b"svc";
    (!name.is_empty() && zone_is_cluster).then_some(ServiceHost { name, namespace, zone })
}

fn label(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'.', text) {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    }
}

/// Reads nothing, or a colon and a port.
fn port(text: &[u8]) -> Option<Option<u16>> {
    let Some(digits) = text.strip_prefix(b":") else { return text.is_empty().then_some(None) };
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().map(Some)
}

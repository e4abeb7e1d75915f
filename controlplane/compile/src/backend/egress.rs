//! Which remote addresses a manifest may name (spec 1.4, the guard against SSRF). Names are not resolved here; the
//! data plane checks what they resolve to against the [`Egress`] decided here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tidegate_proto::table::Egress;
use url::Host;

/// Networks that are never allowed.
const ALWAYS: [(&str, IpAddr, u32); 6] = [
    ("0.0.0.0/8", IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8),
    ("127.0.0.0/8", IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    ("169.254.0.0/16", IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    ("::/128", IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
    ("::1/128", IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    ("fe80::/10", IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];
/// Networks that need `allowPrivateEndpoint`.
const PRIVATE: [(&str, IpAddr, u32); 4] = [
    ("10.0.0.0/8", IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    ("172.16.0.0/12", IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    ("192.168.0.0/16", IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    ("fc00::/7", IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];
/// Names that are never allowed, nor their sub-domains.
const NAMES: [&str; 5] = [
    "localhost",
    "kubernetes.default.svc.cluster.local",
    "kubernetes.default.svc",
    "kubernetes.default",
    "metadata.google.internal",
];

/// What may be dialled for a remote host, or why it is refused.
pub(crate) fn check(host: &Host<String>, allow_private: bool) -> Result<Egress, String> {
    let refusal = match host {
        Host::Ipv4(ip) => blocked_address(IpAddr::V4(*ip), allow_private),
        Host::Ipv6(ip) => blocked_address(ip.to_canonical(), allow_private),
        Host::Domain(name) => blocked_name(name.trim_end_matches('.'), allow_private),
    };
    match refusal {
        Some(reason) => Err(format!("remote URL host is not allowed: {reason}")),
        None if allow_private || is_service(host) => Ok(Egress::NoLoopback),
        None => Ok(Egress::Public),
    }
}

fn blocked_address(ip: IpAddr, allow_private: bool) -> Option<String> {
    let private = if allow_private { &[][..] } else { &PRIVATE[..] };
    let mut networks = ALWAYS.iter().chain(private);
    let (range, ..) = networks.find(|(_, network, bits)| contains(*network, *bits, ip))?;
    Some(format!("IP address {ip} falls within blocked range {range}"))
}

fn contains(network: IpAddr, bits: u32, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => (network.to_bits() ^ ip.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(network), IpAddr::V6(ip)) => (network.to_bits() ^ ip.to_bits()).leading_zeros() >= bits,
        _ => false,
    }
}

fn blocked_name(name: &str, allow_private: bool) -> Option<String> {
    let private = if allow_private { &[][..] } else { &["cluster.local"][..] };
    let blocked = NAMES.iter().chain(private).find(|blocked| is_within(name, blocked))?;
    Some(format!("hostname {name:?} matches blocked internal hostname {blocked:?}"))
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `NAME.NAMESPACE.svc` is allowed although it resolves to a private address.
fn is_service(host: &Host<String>) -> bool {
    matches!(host, Host::Domain(name) if name.trim_end_matches('.').ends_with(".svc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_host(text: &str, allow_private: bool, expected: Result<Egress, &str>) {
        let host = Host::parse(text).unwrap();
        let prefix = "remote URL host is not allowed: ";
        let found =
            check(&host, allow_private).map_err(|reason| reason.strip_prefix(prefix).unwrap().to_owned());
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn loopback_link_local_and_metadata_hosts_are_never_allowed() {
        for allow_private in [false, true] {
            let refused = |text, reason| check_host(text, allow_private, Err(reason));
            refused("127.0.0.1", "IP address 127.0.0.1 falls within blocked range 127.0.0.0/8");
            refused("0.0.0.0", "IP address 0.0.0.0 falls within blocked range 0.0.0.0/8");
            refused(
                "169.254.169.254",
                "IP address 169.254.169.254 falls within blocked range 169.254.0.0/16",
            );
            refused("0x7f.1", "IP address 127.0.0.1 falls within blocked range 127.0.0.0/8");
            refused("[::1]", "IP address ::1 falls within blocked range ::1/128");
            refused("[::]", "IP address :: falls within blocked range ::/128");
            refused("[fe80::1]", "IP address fe80::1 falls within blocked range fe80::/10");
            refused("[::ffff:127.0.0.1]", "IP address 127.0.0.1 falls within blocked range 127.0.0.0/8");
            refused("localhost", "hostname \"localhost\" matches blocked internal hostname \"localhost\"");
            refused(
                "a.LOCALHOST.",
                "hostname \"a.localhost\" matches blocked internal hostname \"localhost\"",
            );
            refused(
                "metadata.google.internal",
                "hostname \"metadata.google.internal\" matches blocked internal hostname \"metadata.google.internal\"",
            );
        }
    }

    #[test]
    fn private_hosts_need_to_be_allowed() {
        check_host("10.0.0.5", false, Err("IP address 10.0.0.5 falls within blocked range 10.0.0.0/8"));
        check_host(
            "172.31.0.1",
            false,
            Err("IP address 172.31.0.1 falls within blocked range 172.16.0.0/12"),
        );
        check_host("[fd00::1]", false, Err("IP address fd00::1 falls within blocked range fc00::/7"));
        check_host(
            "a.b.svc.cluster.local",
            false,
            Err("hostname \"a.b.svc.cluster.local\" matches blocked internal hostname \"cluster.local\""),
        );
        check_host("10.0.0.5", true, Ok(Egress::NoLoopback));
        check_host("a.b.svc.cluster.local", true, Ok(Egress::NoLoopback));
    }

    #[test]
    fn public_hosts_and_service_names_are_allowed() {
        check_host("mcp.example.com", false, Ok(Egress::Public));
        check_host("notlocalhost", false, Ok(Egress::Public));
        check_host("172.32.0.1", false, Ok(Egress::Public));
        check_host("tools.team.svc", false, Ok(Egress::NoLoopback));
    }
}

//! `tidegate.dev/listen`: addresses of a virtual server's own, beside the shared port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tidegate_controlplane_api::{Kind, ObjectRef};

use crate::annotation::{self, LISTEN};
use crate::front::PORTS;
use crate::report::Report;
use crate::view::ClusterView;

/// What becomes of one address that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Granted(SocketAddr),
    /// Somebody else has it.
    Taken(String),
    /// Its port is given out otherwise.
    Reserved(SocketAddr),
    /// It is none.
    Malformed(String),
}

/// What becomes of the addresses of each virtual server, in its order.
pub(crate) type Claims = BTreeMap<ObjectRef, Vec<Claim>>;

/// Who has which address, by port; the first in order of namespace and name keeps it.
type Holders<'a> = BTreeMap<u16, Vec<(SocketAddr, &'a ObjectRef)>>;

/// The addresses that each virtual server asks for; several are separated by commas.
pub(crate) fn claims(view: &ClusterView) -> Claims {
    let (mut holders, mut claims) = (Holders::new(), Claims::new());
    for document in view.of_kind(Kind::VirtualMcpServer) {
        if let Some(text) = document.annotation(LISTEN) {
            let object = &document.object_ref;
            let claim = |part: &str| match part.parse::<SocketAddr>() {
                Ok(address) if view.cluster().is_some() && PORTS.contains(&address.port()) => {
                    Claim::Reserved(address)
                }
                Ok(address) if address.port() > 0 => match take(&mut holders, address, object) {
                    Some(message) => Claim::Taken(message),
                    None => Claim::Granted(address),
                },
                _ => Claim::Malformed(part.to_owned()),
            };
            claims.insert(object.clone(), text.split(',').map(str::trim).map(claim).collect());
        }
    }
    claims
}

/// Claims an address; says who has it when it is taken. An unspecified address covers all of its port.
fn take<'a>(holders: &mut Holders<'a>, address: SocketAddr, object: &'a ObjectRef) -> Option<String> {
    let holders = holders.entry(address.port()).or_default();
    let covers = |other: &SocketAddr| {
        other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified()
    };
    if let Some((other, holder)) = holders.iter().find(|(other, _)| covers(other)) {
        return Some(format!("{address} is already taken by {other} of {holder}"));
    }
    holders.push((address, object));
    None
}

/// The addresses that it gets, sorted.
pub(super) fn compile(report: &mut Report<'_>, claims: &[Claim]) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for claim in claims {
        let (code, message, remedy) = match claim {
            Claim::Granted(address) => {
                addresses.push(*address);
                continue;
            }
            Claim::Taken(message) => ("duplicate-listen", message.clone(), "choose another port"),
            Claim::Reserved(address) => {
                let message = format!("{address}: the control plane gives out ports 20000 to 29999 itself");
                ("reserved-port", message, "choose a port outside that range")
            }
            Claim::Malformed(part) => {
                let message = format!("{part:?} is not an IP address and a port");
                ("bad-listen", message, "write ADDR:PORT, as in 127.0.0.1:4500")
            }
        };
        report.invalid(code, &annotation::field(LISTEN), message, remedy);
    }
    addresses.sort_unstable();
    addresses
}

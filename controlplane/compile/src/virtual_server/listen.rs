//! `tidegate.dev/listen`: addresses of a virtual server's own, beside the shared port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use tidegate_controlplane_api::ObjectRef;

use crate::annotation::{self, LISTEN};
use crate::report::Report;

/// Who has which address, by port; the first in order of namespace and name keeps it.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<u16, Vec<(SocketAddr, ObjectRef)>>);

/// The addresses, sorted; several are separated by commas. `reserved` ports are given out otherwise.
pub(super) fn compile(
    report: &mut Report<'_>,
    claims: &mut Claims,
    reserved: Option<RangeInclusive<u16>>,
) -> Vec<SocketAddr> {
    let Some(text) = report.document.annotation(LISTEN) else { return Vec::new() };
    let object = report.document.object_ref.clone();
    let mut addresses = Vec::new();
    for part in text.split(',').map(str::trim) {
        match part.parse::<SocketAddr>() {
            Ok(address) if reserved.as_ref().is_some_and(|reserved| reserved.contains(&address.port())) => {
                let message = format!("{address}: the control plane gives out ports 20000 to 29999 itself");
                report.invalid(
                    "reserved-port",
                    &annotation::field(LISTEN),
                    message,
                    "choose a port outside that range",
                );
            }
            Ok(address) if address.port() > 0 => {
                if let Some(message) = claims.take(address, &object) {
                    report.invalid(
                        "duplicate-listen",
                        &annotation::field(LISTEN),
                        message,
                        "choose another port",
                    );
                } else {
                    addresses.push(address);
                }
            }
            _ => {
                let message = format!("{part:?} is not an IP address and a port");
                report.invalid(
                    "bad-listen",
                    &annotation::field(LISTEN),
                    message,
                    "write ADDR:PORT, as in 127.0.0.1:4500",
                );
            }
        }
    }
    addresses.sort_unstable();
    addresses
}

impl Claims {
    /// Claims an address; says who has it when it is taken. An unspecified address covers all of its port.
    fn take(&mut self, address: SocketAddr, object: &ObjectRef) -> Option<String> {
        let holders = self.0.entry(address.port()).or_default();
        let covers = |other: &SocketAddr| {
            other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified()
        };
        if let Some((other, holder)) = holders.iter().find(|(other, _)| covers(other)) {
            return Some(format!("{address} is already taken by {other} of {holder}"));
        }
        holders.push((address, object.clone()));
        None
    }
}

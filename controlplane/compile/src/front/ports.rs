//! Which port of the gateways a front has: the one that its Service records, for as long as it is nobody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tidegate_controlplane_api::{Kind, ObjectRef};

use super::names::Claim;
use super::{Front, Hindrance, Port};
use crate::digest::fnv;

/// Ports of the gateways that fronts have: below those that Kubernetes gives out as node ports (from 30000) and that Linux
/// gives to outgoing connections (from 32768).
pub(crate) const PORTS: RangeInclusive<u16> = 20000..=29999;

/// Gives each front its recorded port, or else a free one.
pub(super) fn allocate(claims: Vec<Claim>) -> BTreeMap<ObjectRef, Front> {
    let mut taken = BTreeSet::new();
    let mut fronts: BTreeMap<ObjectRef, Front> = claims.into_iter().collect();
    for (_, front) in by_service(&mut fronts) {
        let recorded = front.observed.as_ref().and_then(|service| service.target_port);
        if let (Ok(port), Some(number)) = (&mut front.port, recorded)
            && PORTS.contains(&number)
            && taken.insert(number)
        {
            *port = Port { number, recorded: true };
        }
    }
    for (object, front) in by_service(&mut fronts) {
        if front.port.as_ref().is_ok_and(|port| !port.recorded) {
            front.port = free(object, &mut taken);
        }
    }
    fronts
}

/// Virtual servers first: when ports run out, backends go without.
fn by_service(fronts: &mut BTreeMap<ObjectRef, Front>) -> Vec<(&ObjectRef, &mut Front)> {
    let mut sorted: Vec<_> = fronts.iter_mut().collect();
    sorted.sort_by_cached_key(|(object, front)| (object.kind != Kind::VirtualMcpServer, front.name(object)));
    sorted
}

/// The first free port from where the object's name points. What others get meanwhile hardly ever changes it, so that two
/// objects that come at the same time do not exchange ports while their Services are being written.
fn free(object: &ObjectRef, taken: &mut BTreeSet<u16>) -> Result<Port, Hindrance> {
    let (first, count) = (*PORTS.start(), PORTS.end() - PORTS.start() + 1);
    let digest = fnv(&[object.kind.as_str(), &object.namespace, &object.name]) % u32::from(count);
    let start = u16::try_from(digest).unwrap_or(0);
    let number = (0..count).map(|step| first + (start + step) % count).find(|number| taken.insert(*number));
    let none = || Hindrance {
        reason: "PortsExhausted",
        message: format!(
            "all ports of the gateways ({} to {}) are taken; reach it at their shared port",
            PORTS.start(),
            PORTS.end()
        ),
    };
    number.map(|number| Port { number, recorded: false }).ok_or_else(none)
}

//! Which port of the gateways a front has: the one that its Service records, for as long as it is nobody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_proto::digest::fnv;

use super::names::Claim;
use super::{Front, Hindrance, Port};

/// Ports of the gateways that fronts have: below those that Kubernetes gives out as node ports (from 30000) and that Linux
/// gives to outgoing connections (from 32768).
pub(crate) const PORTS: RangeInclusive<u16> = 20000..=29999;

/// Where those of backends begin: however many there are, virtual servers have ports.
const OF_BACKENDS: u16 = 25000;
/// Reason of the condition of an object for which no port is left.
pub(super) const PORTS_EXHAUSTED: &str = "PortsExhausted";

/// Ports that are somebody's, and how many of them backends may have.
#[derive(Default)]
struct Taken {
    ports: BTreeSet<u16>,
    of_backends: u16,
}

/// Gives each front its recorded port, or else a free one.
pub(super) fn allocate(claims: Vec<Claim>) -> BTreeMap<ObjectRef, Front> {
    let mut taken = Taken::default();
    let mut fronts: BTreeMap<ObjectRef, Front> = claims.into_iter().collect();
    for (_, front) in by_service(&mut fronts) {
        let recorded = front.observed.as_ref().and_then(|service| service.target_port);
        if let (Ok(port), Some(number)) = (&mut front.port, recorded)
            && PORTS.contains(&number)
            && taken.take(number)
        {
            *port = Port { number, recorded: true };
        }
    }
    for (object, front) in by_service(&mut fronts) {
        if front.port.as_ref().is_ok_and(|port| !port.recorded) {
            let first = if object.kind.is_backend() { OF_BACKENDS } else { *PORTS.start() };
            let port = taken.free(first, object).map(|number| Port { number, recorded: false });
            front.port = port.ok_or_else(|| exhausted(first));
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

impl Taken {
    fn take(&mut self, number: u16) -> bool {
        let new = self.ports.insert(number);
        self.of_backends += u16::from(new && number >= OF_BACKENDS);
        new
    }

    /// The first free port, of those from `first` on, from where the object's name points. What others get meanwhile hardly
    /// ever changes it, so that two objects that come at the same time do not exchange ports while their Services are being
    /// written.
    fn free(&mut self, first: u16, object: &ObjectRef) -> Option<u16> {
        let count = PORTS.end() - first + 1;
        if first == OF_BACKENDS && self.of_backends == count {
            return None;
        }
        let digest = fnv(&[object.kind.as_str(), &object.namespace, &object.name]) % u32::from(count);
        let start = u16::try_from(digest).unwrap_or(0);
        (0..count).map(|step| first + (start + step) % count).find(|number| self.take(*number))
    }
}

fn exhausted(first: u16) -> Hindrance {
    let last = PORTS.end();
    let message = format!(
        "all ports of the gateways for it ({first} to {last}) are taken; it is reached through virtual servers only"
    );
    Hindrance { reason: PORTS_EXHAUSTED, message }
}

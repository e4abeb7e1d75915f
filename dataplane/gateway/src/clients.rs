//! What clients may hold: connections in all, and connections, GET streams and sessions of one address. It is
//! counted where these begin and end, never on the path of a call. Everything is a [`Place`], given back when
//! it is dropped.

use crate::metrics::Tally;
use crate::session::lock;
use crate::state::Gateway;
use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Bounds of what clients hold at a time. 0: no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Client connections in all.
    pub connections: usize,
    /// Client connections of one address.
    pub connections_per_address: usize,
    /// GET streams of one address.
    pub streams_per_address: usize,
    /// Sessions that one address has opened at this node and that neither ended nor expired.
    pub sessions_per_address: usize,
}

/// Descriptors that are not for clients: listeners, the control plane, probes, files.
const RESERVED: u64 = 512;

/// Most client connections by default, however many descriptors there are.
const MOST: u64 = 65_536;

/// GET streams of one address by default.
const MOST_STREAMS: usize = 4_096;

/// Sessions of one address by default: a quarter of those that a node remembers.
const MOST_SESSIONS: usize = 16_384;

/// Fewest, however few there are.
const FEWEST: u64 = 16;

impl ClientLimits {
    /// The defaults for a process that may have `descriptors` files open: a client's connection may need one
    /// to a backend beside it, and no address takes more than half of all.
    pub fn for_descriptors(descriptors: u64) -> Self {
        let connections = (descriptors.saturating_sub(RESERVED) / 2).clamp(FEWEST, MOST);
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Self {
            connections,
            connections_per_address: connections / 2,
            streams_per_address: MOST_STREAMS,
            sessions_per_address: MOST_SESSIONS,
        }
    }
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum What {
    Connection,
    Stream,
    Session,
}

/// The bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Refusal {
    Connections,
    ConnectionsPerAddress,
    StreamsPerAddress,
    SessionsPerAddress,
}

/// Labels of [`Refusal`], in its order.
pub(crate) const REFUSALS: [&str; 4] =
    ["connections", "connections_per_address", "streams_per_address", "sessions_per_address"];

/// Who is counted as one: an IPv4 address, or an IPv6 network of 64 bits, which is what one host is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Address {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

/// How much each address holds, by [`What`].
type Held = [usize; 3];

/// All clients of the process.
pub(crate) struct Clients {
    limits: ClientLimits,
    connections: AtomicUsize,
    held: Mutex<HashMap<Address, Held>>,
    refused: [Tally; REFUSALS.len()],
}

/// Something that a client holds.
pub(crate) struct Place {
    clients: Arc<Clients>,
    address: Address,
    what: What,
}

impl Clients {
    pub(crate) fn new(limits: ClientLimits) -> Arc<Self> {
        let (connections, held) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { limits, connections, held, refused: Default::default() })
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// What was refused, by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS.into_iter().zip(self.refused.iter().map(Tally::total))
    }

    /// A place, or the bound that is reached; a refusal is counted and told.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr, what: What) -> Result<Place, Refusal> {
        let address = Address::from(from);
        self.hold(address, what).inspect_err(|&refusal| {
            let reason = REFUSALS[refusal as usize];
            if let Some(count) = self.refused[refusal as usize].add() {
                tracing::warn!(reason, count, client = %from, "clients refused");
            }
        })?;
        Ok(Place { clients: self.clone(), address, what })
    }

    fn hold(&self, address: Address, what: What) -> Result<(), Refusal> {
        let l = &self.limits;
        let (limit, refusal) = match what {
            What::Connection => (l.connections_per_address, Refusal::ConnectionsPerAddress),
            What::Stream => (l.streams_per_address, Refusal::StreamsPerAddress),
            What::Session => (l.sessions_per_address, Refusal::SessionsPerAddress),
        };
        let mut all = lock(&self.held);
        if what == What::Connection && full(self.connections(), l.connections) {
            return Err(Refusal::Connections);
        }
        if full(all.get(&address).map_or(0, |held| held[what as usize]), limit) {
            return Err(refusal);
        }
        all.entry(address).or_default()[what as usize] += 1;
        if what == What::Connection {
            self.connections.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn give_back(&self, address: Address, what: What) {
        let mut all = lock(&self.held);
        if let Some(held) = all.get_mut(&address) {
            held[what as usize] -= 1;
            if *held == Held::default() {
                all.remove(&address);
            }
        }
        if what == What::Connection {
            self.connections.fetch_sub(1, Relaxed);
        }
    }
}

impl Gateway {
    /// A client is cut because it did not read what it asked for.
    pub(crate) fn slow_reader(&self) {
        if let Some(count) = self.stats.slow_readers.add() {
            tracing::warn!(count, "clients cut that did not read their answers");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.give_back(self.address, self.what);
    }
}

fn full(held: usize, limit: usize) -> bool {
    limit > 0 && held >= limit
}

#[cfg(test)]
mod tests;

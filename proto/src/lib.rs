//! The contract of the two planes. Protobuf messages ([`wire`]) are bytes; the routing-table IR
//! ([`table`]) is meaning; [`convert`] is the door between them. Knows nothing of Kubernetes, Pingora,
//! sockets or clocks.

pub mod convert;
pub mod delta;
pub mod digest;
pub mod identity;
pub mod keys;
pub mod persist;
pub mod push;
pub mod table;
pub mod wire;

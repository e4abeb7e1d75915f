//! The contract of the two planes. Protobuf messages ([`wire`]) are bytes; the routing-table IR
//! ([`table`]) is meaning. Knows nothing of Kubernetes, Pingora, sockets or clocks.

pub mod table;

//! The control plane: watches sources, compiles what they hold into a routing table, pushes it to the nodes, and answers
//! what people ask. Decides little itself: what resources mean is `compile`'s, how tables reach nodes is `proto`'s.
//! Must not know how anything is served.

pub mod keys;
pub mod state;

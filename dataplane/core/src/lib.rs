//! Decisions of the data plane as values and functions: which virtual server a request means, what it asks for, what a
//! session is, how the backends' tools become one list, which backends are well, and how a failure is answered.
//!
//! Knows no sockets, clock, randomness, Pingora or Kubernetes: times and random words are arguments. Entry points:
//! [`route::Routes`], [`dispatch::classify`], [`token::Sealer`], [`catalog::merge`], [`fault::Fault`].

pub mod breaker;
pub mod budget;
pub mod catalog;
pub mod dispatch;
pub mod endpoint;
pub mod fault;
pub mod health;
mod json;
pub mod protocol;
pub mod route;
pub mod token;

pub use catalog::{Catalog, Contribution, ContributionError, ExposedTool, merge};
pub use dispatch::{Action, classify};
pub use fault::{Blame, Fault};
pub use protocol::ProtocolVersion;
pub use route::{Endpoint, NoRoute, Routes, host_allowed, origin_allowed};
pub use token::{Binding, MAX_CLIENT_INFO, MAX_TOKEN, McpSession, OpenError, Sealer, backend_hash};

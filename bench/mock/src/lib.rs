//! A scriptable MCP backend: fixture of the integration tests and backend of the benchmarks.
//!
//! It speaks streamable HTTP of the legacy era (2025-03-26 to 2025-11-25) over HTTP/1.1 (with TLS or HTTP/2 where it is told to) and has tools that behave badly on
//! purpose. What it saw is at `GET /_stats`, how it behaves is changed at `POST /_control`; in a test both are methods of
//! [`Mock`]. Answers are deterministic, so that they can be compared byte for byte. It knows nothing of the gateway.

mod body;
mod calls;
mod catalog;
mod control;
mod faults;
mod http;
mod line;
mod mcp;
mod options;
mod rpc;
mod server;
mod sessions;
mod state;
mod stats;
mod stream;
mod tls;
mod tools;

pub use control::{Control, HangOn};
pub use faults::{Fault, Point, Rule};
pub use options::Options;
pub use server::Mock;
pub use stats::{Seen, Stats};

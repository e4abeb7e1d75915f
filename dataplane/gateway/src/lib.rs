//! The gateway: Pingora services, listeners, the MCP request path, upstream connections, probers,
//! the push client, the admin port. The only crate that names Pingora and does I/O on the data plane; what
//! is to be decided is decided in `tidegate-dataplane-core`, bytes are read in `tidegate-dataplane-codec`.
//!
//! Entry points: [`Gateway`] holds the state, [`run`] serves it.

mod admin;
mod admission;
mod app;
mod backend;
mod client;
mod clients;
mod conn;
mod deadline;
mod drain;
mod endpoints;
mod h2;
mod idle;
mod io;
mod local;
mod metrics;
mod ports;
mod prober;
pub mod push;
mod refuse;
mod report;
mod request_log;
mod room;
mod run;
mod session;
mod snapshot;
mod standing;
mod state;
mod stuck;
mod tls;
mod upstream;
mod worker;

pub use admin::LogFilter;
pub use clients::ClientLimits;
pub use run::{RunError, Serve, run};
pub use state::{Gateway, Options};
pub use tls::{TlsError, TlsFiles, TlsOptions};

//! The mock over the wire, as a gateway and as a test meet it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod client;
mod faults;
mod script;

use std::time::Duration;

/// A bound for what must happen soon; passing tests never wait for it.
const SOON: Duration = Duration::from_secs(10);

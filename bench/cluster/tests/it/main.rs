//! The test cluster itself.

mod api;
mod faults;
mod pods;

use std::time::Duration;

tidegate_bench_cluster::own_network!();

/// For what controllers do: they are quick, but the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

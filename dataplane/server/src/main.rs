//! `tidegate-dataplane`: the node gateway. Parses, wires, runs, drains; nothing else.

mod args;
mod log;
mod memory;

use anyhow::Context;
use args::Args;
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::process::ExitCode;
use tidegate_dataplane_gateway::{Gateway, run};

/// Counted, so that `/metrics` shows that the request path allocates nothing.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let args = Args::parse();
    match start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tidegate-dataplane: {e:#}");
            ExitCode::from(2)
        }
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    let log = log::start(&args)?;
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).context("raise the limit of open files")?;
    let gw = Gateway::new(args.options(descriptors), Some(allocations));
    tracing::info!(
        listen = %gw.options.listen, threads = gw.options.threads, descriptors,
        max_connections = gw.options.clients.connections,
        version = env!("CARGO_PKG_VERSION"), "starting"
    );
    run(gw, args.serve(log)?).context("nothing is served")
}

fn allocations() -> u64 {
    let s = ALLOCATOR.stats();
    u64::try_from(s.allocations + s.reallocations).unwrap_or(u64::MAX)
}

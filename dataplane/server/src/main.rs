//! `tidegate-dataplane`: the node gateway. Parses, wires, runs, drains; nothing else.

mod args;

use anyhow::Context;
use args::Args;
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::IsTerminal;
use std::process::ExitCode;
use tidegate_dataplane_gateway::{Gateway, run};
use tracing_subscriber::EnvFilter;

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
    log(&args)?;
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).context("raise the limit of open files")?;
    let gw = Gateway::new(args.options(descriptors), Some(allocations));
    tracing::info!(
        listen = %gw.options.listen, threads = gw.options.threads, descriptors,
        max_connections = gw.options.clients.connections,
        version = env!("CARGO_PKG_VERSION"), "starting"
    );
    run(gw, args.serve()?).context("nothing is served")
}

fn log(args: &Args) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&args.log).with_context(|| format!("--log {:?}", args.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match args.log_format {
        args::LogFormat::Text => builder.init(),
        args::LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

fn allocations() -> u64 {
    let s = ALLOCATOR.stats();
    u64::try_from(s.allocations + s.reallocations).unwrap_or(u64::MAX)
}

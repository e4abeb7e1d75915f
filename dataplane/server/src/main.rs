//! `tidegate-dataplane`: the node gateway. Parses, wires, runs, drains; nothing else.

mod args;
mod log;
mod memory;

use anyhow::Context;
use args::Args;
use clap::Parser;
use std::process::ExitCode;
use tidegate_dataplane_gateway::{Gateway, run};

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
    let gw = Gateway::new(args.options(descriptors), Some(memory::allocations));
    tracing::info!(
        listen = %gw.options.listen, threads = gw.options.threads, descriptors,
        max_connections = gw.options.clients.connections,
        version = env!("CARGO_PKG_VERSION"), "starting"
    );
    run(gw, args.serve(log)?).context("nothing is served")
}

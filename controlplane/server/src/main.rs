//! The binary `tidegate-controlplane`: parses, builds, runs, drains.

use std::process::ExitCode;

use clap::Parser;
use tidegate_controlplane_server::args::Args;
use tidegate_controlplane_server::logging;
use tidegate_controlplane_server::run::{ControlPlane, Options};
use tokio::signal::unix::{SignalKind, signal};

/// A view of a large cluster is many small allocations on several threads, made and dropped with every edit (docs/scale.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As of clap: the arguments are wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    let options = match prepare(&args) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error:#}\n\nFor more information, try '--help'.");
            return ExitCode::from(USAGE);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "control plane failed");
            ExitCode::FAILURE
        }
    }
}

fn prepare(args: &Args) -> anyhow::Result<Options> {
    let options = args.resolve()?;
    logging::install(args.log_format, &args.log)
        .map_err(|error| anyhow::anyhow!("--log {}: {error}", args.log))?;
    Ok(options)
}

#[tokio::main]
async fn run(options: Options) -> anyhow::Result<()> {
    // Taken before anything starts: a signal during the start must not be lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut control_plane = ControlPlane::start(options).await?;
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = control_plane.ended() => ended,
    };
    tracing::info!("control plane stops");
    control_plane.stop().await;
    Ok(ended?)
}

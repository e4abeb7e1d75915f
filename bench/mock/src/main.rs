//! The binary `mock-mcp`: runs one mock until it is interrupted.

use std::io::Write;

use clap::Parser;
use tidegate_bench_mock::{Mock, Options};

/// A scriptable MCP backend (streamable HTTP, legacy era).
///
/// Prints `listening on ADDR` when it is ready, for each of several. `GET /_stats` tells what it saw, `POST /_control` changes how it behaves.
#[derive(Parser)]
#[command(name = "mock-mcp", version, max_term_width = 110)]
struct Args {
    #[command(flatten)]
    options: Options,
    /// Run so many, on as many ports, named NAME-0 and so on
    #[arg(long, value_name = "N")]
    count: Option<u16>,
}

fn main() -> anyhow::Result<()> {
    let Args { options, count } = Args::parse();
    let mocks = match count {
        None => vec![Mock::start(options)?],
        Some(count) => Mock::start_many(&options, count)?,
    };
    let mut out = std::io::stdout().lock();
    for mock in &mocks {
        writeln!(out, "listening on {}", mock.addr)?;
    }
    out.flush()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(interrupted())?;
    Ok(())
}

async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminate.recv() => Ok(()),
    }
}

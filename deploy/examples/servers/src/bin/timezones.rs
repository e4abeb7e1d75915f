//! The binary `timezones-mcp`.

use clap::Parser;
use tidegate_deploy_examples_servers::serve::{Reach, serve};
use tidegate_deploy_examples_servers::timezones::TimeZones;

/// MCP server: the time anywhere, conversions between zones, names of zones.
#[derive(Parser)]
#[command(name = "timezones-mcp", version, max_term_width = 110)]
struct Args {
    #[command(flatten)]
    reach: Reach,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    serve(TimeZones::new(), Args::parse().reach).await
}

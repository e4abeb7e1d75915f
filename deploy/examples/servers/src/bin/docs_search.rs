//! The binary `docs-search-mcp`.

use std::path::PathBuf;

use clap::Parser;
use tidegate_deploy_examples_servers::docs::DocsSearch;
use tidegate_deploy_examples_servers::serve::{Reach, serve};

/// MCP server: search in a folder of Markdown files, and read their sections.
#[derive(Parser)]
#[command(name = "docs-search-mcp", version, max_term_width = 110)]
struct Args {
    /// Folder whose *.md files are searched, with its subfolders
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    #[command(flatten)]
    reach: Reach,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    serve(DocsSearch::new(&args.root)?, args.reach).await
}

//! `tidegate`: serve, check and look at virtual MCP servers from the command line.

mod args;
mod bridge;
mod call;
mod cluster;
mod copy_to;
mod describe;
mod get;
mod inspect;
mod lines;
mod output;
mod paint;
mod resources;
mod signals;
mod state_dir;
mod table;
mod target;
mod up;
mod validate;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use paint::Paint;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says all of them; the last one is the outcome.
fn report_all(mut errors: Vec<anyhow::Error>) -> anyhow::Result<()> {
    let last = errors.pop();
    errors.iter().for_each(report);
    last.map_or(Ok(()), Err)
}

/// Says an error on standard error.
fn report(error: &anyhow::Error) {
    let paint = Paint::for_stream(&std::io::stderr());
    eprintln!("{} {}", paint.red("error:"), describe_error(error));
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Validate(args) => return block_on(validate::run(args)),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut text);
            output::print(&String::from_utf8_lossy(&text))?;
        }
        Command::CopyTo { folder } => copy_to::run(&folder)?,
        Command::Leash => up::leash::run(),
        Command::Up(args) => block_on(up::run(args))?,
        Command::Get(args) => block_on(get::run(args))?,
        Command::Describe(args) => block_on(describe::run(args))?,
        Command::Call(args) => block_on(call::run(args))?,
        Command::Bridge(args) => {
            log_to_stderr();
            block_on(bridge::run(args))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(future)
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::builder().with_env_var("TIDEGATE_LOG");
    let filter = filter.with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    // The reader of these lines has a clock; `up` puts the name before each.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .init();
}

/// The message first, then what it came from, down to the cause; a `help:` line stays last.
fn describe_error(error: &anyhow::Error) -> String {
    let top = error.to_string();
    let (message, help) = match top.split_once("\n  help: ") {
        Some((message, help)) => (message, format!("\n  help: {help}")),
        None => (top.as_str(), String::new()),
    };
    let causes: String = error.chain().skip(1).map(|cause| format!(": {cause}")).collect();
    format!("{message}{causes}{help}")
}

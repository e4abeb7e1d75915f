//! `tidegate validate`: what a control plane would say to these manifests. Needs nothing running.

mod input;
mod report;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::output::{self, Format, print};
use crate::paint::Paint;
use report::Report;

/// Arguments of `validate`.
#[derive(clap::Args, Debug)]
pub(crate) struct ValidateArgs {
    /// A directory, or files (repeat the flag), or - for standard input; files are checked together
    #[arg(short = 'f', long = "file", value_name = "DIR|FILE|-", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people: a block per finding, and a summary
    Text,
    /// For programs
    Json,
}

/// Prints the findings; the exit code is 1 when one of them is an error.
pub(crate) fn run(args: ValidateArgs) -> anyhow::Result<ExitCode> {
    if args.files.iter().any(|file| file.as_os_str() == "-") && std::io::stdin().is_terminal() {
        eprintln!("Reading manifests from standard input; end with Ctrl-D.");
    }
    let report = Report::new(input::check(&args.files)?);
    match args.output {
        Output::Text => print(&report.text(Paint::for_stream(&std::io::stdout())))?,
        Output::Json => print(&output::text(Format::Json, &report)?)?,
    }
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

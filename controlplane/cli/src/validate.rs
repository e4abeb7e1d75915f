//! `tidegate validate`: what a control plane would say to these manifests, and where asked for, a cluster.

mod complaint;
mod dry_run;
mod input;
mod report;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum;
use tidegate_controlplane_api::Diagnostic;

use crate::cluster::{Cluster, ClusterArgs};
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
    /// Ask the cluster of the kubeconfig, too: a dry run of each object, of every kind; nothing is changed
    #[arg(long)]
    cluster: bool,
    /// For the cluster: where objects without a namespace go [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    target: ClusterArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people: a block per finding, and a summary
    Text,
    /// For programs
    Json,
}

/// Prints the findings; the exit code is 1 when one of them is an error.
pub(crate) async fn run(args: ValidateArgs) -> anyhow::Result<ExitCode> {
    // Naming a cluster is asking it.
    let asks = args.cluster || args.target.is_given();
    if args.namespace.is_some() && !asks {
        bail!("-n is for a cluster\n  help: add --cluster, --context or --kubeconfig");
    }
    if args.files.iter().any(|file| file.as_os_str() == "-") && std::io::stdin().is_terminal() {
        eprintln!("Reading manifests from standard input; end with Ctrl-D.");
    }
    let checked = input::check(&args.files)?;
    let mut findings = checked.findings;
    if asks {
        let cluster = Cluster::connect(&args.target).await?;
        let namespace = args.namespace.as_deref().unwrap_or(cluster.namespace());
        let answer = dry_run::ask(&cluster, namespace, &checked.files.manifests()?).await?;
        findings.diagnostics.extend(answer.diagnostics);
        Diagnostic::sort(&mut findings.diagnostics);
        findings.cluster = Some(answer.count);
    }
    let report = Report::new(findings);
    match args.output {
        Output::Text => print(&report.text(Paint::for_stream(&std::io::stdout())))?,
        Output::Json => print(&output::text(Format::Json, &report)?)?,
    }
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

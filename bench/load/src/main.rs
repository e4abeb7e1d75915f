//! The load generator `tidegate-load`: MCP clients over raw HTTP/1.1 with little cost of their own, or over HTTP/2.
//!
//! Every connection belongs to one thread and runs one loop; nothing is shared while it measures. Every answer is checked,
//! and whatever goes wrong is counted by class. It knows nothing of the gateway's inside.

mod args;
mod check;
mod cpu;
mod h2;
mod hold;
mod plan;
mod render;
mod report;
mod run;
mod session;
mod tally;
mod tls;
mod wire;
mod worker;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    let args = args::Args::parse();
    let (json, allow_failures) = (args.json, args.allow_failures);
    let hold = args.hold.then_some(args.streams);
    let plan = plan::Plan::try_from(args)?;
    if let Some(streams) = hold {
        let held = hold::hold(plan, streams)?;
        println!("{}", serde_json::to_string(&held)?);
        return Ok(if held.failed > 0 && !allow_failures { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let report = run::run(plan)?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    let failed = report.failed > 0 || report.requests == 0;
    Ok(if failed && !allow_failures { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

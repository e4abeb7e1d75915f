//! `tidegate-compare`: scenarios by targets, in interleaved rounds, with a report.
//!
//! A scenario is a load and the backends behind it; a target is what carries it: nothing (`direct`), the gateway, other
//! proxies, whatever a user names. All targets of a scenario run at once and are loaded in turn, so that what the
//! machine does otherwise meets all of them. It measures from outside and knows nothing of any target's inside.

mod args;
mod binaries;
mod counts;
mod edits;
mod estimate;
mod idle;
mod load;
mod machine;
mod manifests;
mod metrics;
mod noise;
mod plan;
mod plots;
mod process;
mod report;
mod results;
mod run;
mod scenario;
mod stage;
mod stats;
mod stop;
mod target;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    stop::watch()?;
    let plan = plan::Plan::try_from(args::Args::parse())?;
    let ended = compare(&plan);
    // whatever broke first, it was told to end
    match stop::check() {
        Err(stopped) => {
            eprintln!("tidegate-compare: {stopped}");
            Ok(ExitCode::from(stopped.code()))
        }
        Ok(()) => ended,
    }
}

fn compare(plan: &plan::Plan) -> anyhow::Result<ExitCode> {
    let minutes = estimate::of(plan).as_secs().div_ceil(60);
    let (scenarios, targets) = (plan.scenarios.len(), plan.targets.len() + plan.given.len());
    eprintln!("{scenarios} scenarios, {targets} targets: about {minutes} min");
    let results = run::run(plan)?;
    let folder = report::write(&results, &plan.out)?;
    print!("{}", report::summary(&results));
    println!("report: {}", folder.display());
    Ok(if results.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

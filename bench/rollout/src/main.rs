//! How long an edit in the API server takes to every node, and what a large cluster costs the control plane: a real API server with
//! etcd, the control plane as a process, and nodes that are the push protocol's own state machine (so they hold whole tables, give
//! verdicts and report like gateways, but serve nothing).

mod args;
mod edits;
mod figures;
mod fleet;
mod node;
mod objects;
mod plane;
mod usage;

use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use tidegate_bench_cluster::Cluster;

use args::Args;
use edits::Watched;
use figures::seconds;
use fleet::Fleet;
use objects::World;
use plane::{Plane, Tally};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    args.check()?;
    let cluster = Cluster::start().await?;
    let world = World::create(&cluster, &args).await?;
    let plane = Plane::start(&cluster, &world, &args)?;
    let fleet = start(&world, &plane, &args).await?;
    let watched = Watched::start(&world);
    rest(&plane, &args).await?;
    edits::one_by_one(&world, &plane, &watched, &fleet, &args).await?;
    edits::burst(&world, &plane, &fleet, &args).await?;
    let (now, most) = usage::resident(plane.pid())?;
    figures::add("memory of the control plane", format!("{now} MiB, at most {most} MiB"));
    plane.keep_log(args.log.as_deref())?;
    drop(fleet);
    Ok(())
}

/// From the start of the control plane until every node has the table and every child and status is written.
async fn start(world: &World, plane: &Plane, args: &Args) -> anyhow::Result<Arc<Fleet>> {
    let started = Instant::now();
    let fleet = Fleet::join(&plane.socket(), args.nodes, args.report_every).await;
    let entries = world.entries();
    fleet.until("every node has the table", |node| node.entries >= entries).await?;
    figures::add("start of the control plane until every node has the table", seconds(started.elapsed()));
    let bytes = fleet.bytes();
    figures::add("first update of a node", format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
    let quiet = plane.until_written(world.statuses(), args.patience).await?;
    figures::add("until children and statuses are written", seconds(quiet.duration_since(started)));
    let tally = plane.tally().await?;
    figures::add("writes of that", tally.to_string());
    figures::add("tables published meanwhile", plane.compiles()?.len().to_string());
    Ok(fleet)
}

/// Nothing changes but when backends were last probed.
async fn rest(plane: &Plane, args: &Args) -> anyhow::Result<()> {
    // what the start left to do
    tokio::time::sleep(args.report_every).await;
    let (before, since) = (plane.tally().await?, Instant::now());
    let used = usage::cpu(plane.pid())?;
    tokio::time::sleep(args.rest).await;
    let (took, after) = (since.elapsed(), plane.tally().await?);
    let used = usage::cpu(plane.pid())?.saturating_sub(used);
    figures::add(
        "at rest: CPU",
        format!("{:.1} % of a core", 100.0 * used.as_secs_f64() / took.as_secs_f64()),
    );
    let per_minute = |tally: &Tally| tally.statuses as f64 * 60.0 / took.as_secs_f64();
    figures::add("at rest: status writes per minute", format!("{:.0}", per_minute(&after.since(&before))));
    Ok(())
}

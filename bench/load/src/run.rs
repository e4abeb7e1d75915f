//! The whole run: threads, the window that is measured, the counts together.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::Builder;
use tokio::sync::Barrier;
use tokio::task::LocalSet;

use crate::cpu;
use crate::plan::{Limit, Plan};
use crate::report::Report;
use crate::tally::Tally;
use crate::worker::{Shared, Window, work};

/// What was used within the window.
struct Used {
    measured: Duration,
    cpu: Vec<(u32, cpu::Time)>,
}

/// Does what the plan says.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Report> {
    let remaining = match plan.limit {
        Limit::Count(n) => n,
        Limit::Time(_) => 0,
    };
    let shared = Arc::new(Shared {
        barrier: Barrier::new(plan.connections + 1),
        window: OnceLock::new(),
        remaining: AtomicU64::new(remaining),
        stop: AtomicBool::new(false),
        plan,
    });
    let threads =
        (0..shared.plan.threads).map(|t| spawn(shared.clone(), t)).collect::<Result<Vec<_>, _>>()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let used = runtime.block_on(coordinate(&shared))?;
    let mut tally = Tally::new();
    for thread in threads {
        tally.add(thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??);
    }
    Ok(Report::new(tally, used.measured, &used.cpu))
}

/// A thread with every n-th connection.
fn spawn(shared: Arc<Shared>, thread: usize) -> std::io::Result<JoinHandle<anyhow::Result<Tally>>> {
    let named = std::thread::Builder::new().name(format!("load-{thread}"));
    named.spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let tally = std::rc::Rc::new(RefCell::new(Tally::new()));
        let local = LocalSet::new();
        for index in (thread..shared.plan.connections).step_by(shared.plan.threads) {
            let (shared, tally) = (shared.clone(), tally.clone());
            local.spawn_local(async move { work(&shared, &tally, index).await });
        }
        runtime.block_on(local);
        Ok(tally.replace(Tally::new()))
    })
}

async fn coordinate(shared: &Shared) -> anyhow::Result<Used> {
    let interrupt = async {
        // without the handler the default ends the process: nothing to report then
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(interrupt);
    shared.barrier.wait().await;
    let begin = Instant::now();
    let measure = begin + shared.plan.warmup;
    let end = match shared.plan.limit {
        Limit::Time(time) => Some(measure + time),
        Limit::Count(_) => None,
    };
    let mut before = cpu_of(&shared.plan.cpu_of)?;
    shared.window.get_or_init(|| Window { begin, measure, end });
    shared.barrier.wait().await;
    let done = shared.barrier.wait();
    tokio::pin!(done);
    if let Some(end) = end {
        tokio::select! {
            () = tokio::time::sleep_until(measure.into()) => before = cpu_of(&shared.plan.cpu_of)?,
            () = &mut interrupt => shared.stop.store(true, Ordering::Relaxed),
        }
        tokio::select! {
            () = tokio::time::sleep_until(end.into()) => {}
            () = &mut interrupt => shared.stop.store(true, Ordering::Relaxed),
            _ = &mut done => return used(measure, before),
        }
        let used = used(measure, before);
        done.await;
        return used;
    }
    tokio::select! {
        _ = &mut done => return used(measure, before),
        () = &mut interrupt => shared.stop.store(true, Ordering::Relaxed),
    }
    done.await;
    used(measure, before)
}

fn cpu_of(pids: &[u32]) -> anyhow::Result<Vec<(u32, cpu::Time)>> {
    pids.iter().map(|&pid| Ok((pid, cpu::used(pid)?))).collect()
}

fn used(since: Instant, before: Vec<(u32, cpu::Time)>) -> anyhow::Result<Used> {
    let measured = since.elapsed();
    let cpu = before.into_iter().map(|(pid, was)| Ok((pid, cpu::used(pid)?.since(was))));
    Ok(Used { measured, cpu: cpu.collect::<anyhow::Result<_>>()? })
}

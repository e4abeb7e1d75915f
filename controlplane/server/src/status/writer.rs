//! Carries the schedule out: looks at the board when something changed, and writes what is due.

use std::io;
use std::time::Duration;

use tidegate_controlplane_api::ObjectRef;
use tokio::time::{Instant, sleep_until, timeout};

use super::board::Changes;
use super::{Board, DirWriter, Schedule, Step};

/// Between two looks at least: a burst of reports becomes one.
const PACE: Duration = Duration::from_millis(50);
/// For the first gateway to come back after a restart, a little more than it waits at most; then it is said that none is there.
const PATIENCE: Duration = Duration::from_secs(6);
/// Looking may take this share of the time: one part in so many.
const SHARE: u32 = 10;

/// Where statuses are written.
#[derive(Debug)]
pub enum StatusWriter {
    /// Nowhere: phases are followed for the log, and for the times of conditions.
    Nowhere,
    /// A directory of files.
    Dir(DirWriter),
}

impl StatusWriter {
    /// The objects whose statuses an earlier process left.
    fn left(&self) -> Vec<ObjectRef> {
        match self {
            StatusWriter::Nowhere => Vec::new(),
            StatusWriter::Dir(writer) => writer.left().unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot list the statuses of before, those of objects that are gone stay");
                Vec::new()
            }),
        }
    }
}

/// Writes statuses until the control plane stops, on a runtime with several threads.
pub async fn report(board: Board, writer: StatusWriter) {
    let mut changes = board.changes();
    let left = tokio::task::block_in_place(|| writer.left());
    if !left.is_empty() {
        // A restart is no news: what was written before stays until it is known better.
        let _first = timeout(PATIENCE, first_report(&board, &mut changes)).await;
    }
    let mut schedule = Schedule::new(left);
    let epoch = Instant::now();
    loop {
        // Seen from here on: what changes while we look leads to another look.
        changes.seen();
        let started = Instant::now();
        let next = tokio::task::block_in_place(|| round(&board, &writer, &mut schedule, epoch));
        let rest = PACE.max(started.elapsed() * (SHARE - 1));
        tokio::time::sleep(rest).await;
        tokio::select! {
            more = changes.next() => {
                if !more {
                    return;
                }
            }
            () = at(next.map(|next| epoch + next)) => {}
        }
    }
}

/// One look; when the next is due if nothing changes.
fn round(board: &Board, writer: &StatusWriter, schedule: &mut Schedule, epoch: Instant) -> Option<Duration> {
    let picture = board.look();
    let StatusWriter::Dir(writer) = writer else { return None };
    // Before the first listing nothing is known, and what is not known is not gone.
    picture.outcome.compiled.as_ref()?;
    let now = epoch.elapsed();
    let mut failed = Vec::new();
    for step in schedule.due(now, &picture.statuses) {
        if let Err(error) = carry_out(writer, &step) {
            schedule.failed(now, step.object());
            failed.push((step, error));
        }
    }
    // A full disk fails them all: one line.
    if let Some((step, error)) = failed.first() {
        let object = step.object();
        tracing::warn!(failed = failed.len(), %object, %error, "cannot write statuses, trying again");
    }
    schedule.next(now, &picture.statuses)
}

fn carry_out(writer: &DirWriter, step: &Step) -> io::Result<()> {
    match step {
        Step::Put(object, status) => writer.put(object, status),
        Step::Remove(object) => writer.remove(object),
    }
}

async fn first_report(board: &Board, changes: &mut Changes) {
    while !board.has_reports() && changes.next().await {}
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

//! Carries the schedule out: looks at the board when something changed, and writes what is due.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tidegate_controlplane_api::ObjectRef;
use tokio::time::{Instant, sleep_until, timeout};

use super::board::{Changes, Look, Unseen};
use super::sweep::Sweep;
use super::{Board, ClusterWriter, DirWriter, INTERVAL, Picture, Schedule, Statuses, Step};
use crate::cluster::CONCURRENCY;

/// From a change to the look: nodes have their tables first, and a burst of reports becomes one.
const PACE: Duration = Duration::from_millis(50);
/// For the first gateway to come back after a restart, a little more than it waits at most; then it is said that none is there.
const PATIENCE: Duration = Duration::from_secs(6);
/// Between two looks at least where nothing happened but that backends were probed again; at most, the shortest interval of a status.
const DETAILS: Duration = Duration::from_secs(1);
/// Between two lines of the log about writes that fail.
const REMINDER: Duration = Duration::from_secs(60);
/// Looking may take this share of the time: one part in so many.
const SHARE: u32 = 10;
/// Looking for mere details, likewise.
const SHARE_OF_DETAILS: u32 = 100;

/// Where statuses are written.
#[derive(Debug)]
pub enum StatusWriter {
    /// Nowhere: phases are followed for the log, and for the times of conditions.
    Nowhere,
    /// A directory of files.
    Dir(DirWriter),
    /// The API server.
    Cluster(ClusterWriter),
}

impl StatusWriter {
    /// The objects whose statuses an earlier process left, where they have to be removed with their objects.
    fn left(&self) -> Vec<ObjectRef> {
        match self {
            StatusWriter::Nowhere | StatusWriter::Cluster(_) => Vec::new(),
            StatusWriter::Dir(writer) => writer.left().unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot list the statuses of before, those of objects that are gone stay");
                Vec::new()
            }),
        }
    }

    /// Waits until it is ours to write; false at the end.
    async fn turn(&mut self) -> bool {
        match self {
            StatusWriter::Nowhere | StatusWriter::Dir(_) => true,
            StatusWriter::Cluster(writer) => writer.leading.wait_for(|leads| *leads).await.is_ok(),
        }
    }

    fn is_our_turn(&self) -> bool {
        match self {
            StatusWriter::Nowhere | StatusWriter::Dir(_) => true,
            StatusWriter::Cluster(writer) => *writer.leading.borrow(),
        }
    }

    /// Whether it was done; else why not.
    async fn carry_out(&self, step: &Step) -> Result<(), String> {
        match self {
            StatusWriter::Nowhere => Ok(()),
            StatusWriter::Dir(writer) => tokio::task::block_in_place(|| match step {
                Step::Put(object, status) => writer.put(object, status),
                Step::Remove(object) => writer.remove(object),
            })
            .map_err(|error| error.to_string()),
            StatusWriter::Cluster(writer) => {
                writer.carry_out(step).await.map(drop).map_err(|error| error.to_string())
            }
        }
    }
}

/// Writes statuses until the control plane stops, on a runtime with several threads.
pub async fn report(board: Board, mut writer: StatusWriter) {
    let mut changes = board.changes();
    while writer.turn().await && reign(&board, &writer, &mut changes).await {}
}

/// Writes while it is ours to write; false at the end.
async fn reign(board: &Board, writer: &StatusWriter, changes: &mut Changes) -> bool {
    let Some(left) = take_over(board, writer, changes).await else { return false };
    let mut schedule = Schedule::new(left);
    let mut said = None;
    let epoch = Instant::now();
    let (mut look, mut details) = (Look::Thorough, Duration::ZERO);
    let mut sweep = Sweep::default();
    while writer.is_our_turn() {
        tokio::time::sleep(PACE).await;
        // Seen from here on: what changes while we look leads to another look.
        changes.seen();
        let next = round(board, writer, &look, &mut schedule, &mut said, epoch).await;
        let now = epoch.elapsed();
        if now >= details {
            let rest = next.busy * SHARE_OF_DETAILS;
            details = now + if sweep.is_under_way() { rest } else { rest.max(next.interval) };
        }
        tokio::time::sleep(next.busy * (SHARE - 1)).await;
        let due = next.statuses.as_ref();
        let due = due.and_then(|statuses| schedule.next(epoch.elapsed(), details, statuses));
        loop {
            tokio::select! {
                biased;
                unseen = changes.next(epoch + details) => match unseen {
                    Some(Unseen::Details) if next.statuses.is_some() => break sweep.begin(),
                    Some(_) => break,
                    None => return false,
                },
                () = at(sweep.is_under_way().then_some(epoch + details)) => break,
                () = at(due.map(|due| epoch + due)) => break,
                () = at(schedule.next_detail().map(|turn| epoch + turn)) => {
                    let step = schedule.detail(epoch.elapsed());
                    write(writer, &mut schedule, step.into_iter().collect(), &mut said, epoch).await;
                }
            }
        }
        look = match &next.statuses {
            Some(statuses) if sweep.is_under_way() && epoch.elapsed() >= details => {
                Look::AtNewsAnd(sweep.step(statuses))
            }
            _ => Look::AtNews,
        };
    }
    true
}

/// Waits until enough is known to write, after a restart or another writer. Returns the objects whose statuses were left to be removed
/// with them; none at the end.
async fn take_over(board: &Board, writer: &StatusWriter, changes: &mut Changes) -> Option<Vec<ObjectRef>> {
    let left = tokio::task::block_in_place(|| writer.left());
    let mut restart = !left.is_empty();
    if let StatusWriter::Cluster(writer) = writer {
        // Whoever leads at once has listed nothing yet, and would take what is on record for nothing.
        while !board.has_listed() {
            changes.next(Instant::now()).await?;
        }
        let written = tokio::task::block_in_place(|| writer.written());
        restart = !written.is_empty();
        board.remember(written);
    }
    if restart {
        // A restart is no news: what was written before stays until it is known better.
        let known = async {
            if let StatusWriter::Cluster(_) = writer {
                let mut refusals = board.refusals().changes();
                // An error: the control plane ends.
                let _tried = refusals.wait_for(|refused| refused.tried).await.map(drop);
            }
            first_report(board, changes).await;
        };
        let _first = timeout(PATIENCE, known).await;
    }
    Some(left)
}

/// What a look means for the next one.
struct Next {
    /// What is to be written was taken from these; none while nothing is known.
    statuses: Option<Statuses>,
    /// The shortest at which a status is written again for details.
    interval: Duration,
    /// How long looking took. Writing is the API server's time, and no reason to rest.
    busy: Duration,
}

/// One look, and what is due then.
async fn round(
    board: &Board,
    writer: &StatusWriter,
    look: &Look,
    schedule: &mut Schedule,
    said: &mut Option<Instant>,
    epoch: Instant,
) -> Next {
    // Without the nodes: what is looked at by somebody has to be copied when a node reports.
    let started = Instant::now();
    let Picture { outcome, statuses, .. } = tokio::task::block_in_place(|| board.look(look));
    let interval = statuses.values().map(|status| status.interval).min().unwrap_or(INTERVAL).max(DETAILS);
    // Before the first listing nothing is known, and what is not known is not gone.
    if matches!(writer, StatusWriter::Nowhere) || outcome.compiled.is_none() {
        return Next { statuses: None, interval, busy: started.elapsed() };
    }
    if let StatusWriter::Cluster(writer) = writer {
        schedule.forget(writer.bare());
    }
    let due = schedule.due(epoch.elapsed(), &statuses);
    let busy = started.elapsed();
    write(writer, schedule, due, said, epoch).await;
    Next { statuses: Some(statuses), interval, busy }
}

async fn write(
    writer: &StatusWriter,
    schedule: &mut Schedule,
    steps: Vec<Step>,
    said: &mut Option<Instant>,
    epoch: Instant,
) {
    let mut writes = stream::iter(steps)
        .map(|step| async move { (writer.carry_out(&step).await, step) })
        .buffer_unordered(CONCURRENCY);
    let mut failed = Vec::new();
    while let Some((result, step)) = writes.next().await {
        if let Err(error) = result {
            failed.push((step, error));
        }
    }
    drop(writes);
    for (step, _) in &failed {
        schedule.failed(epoch.elapsed(), step.object());
    }
    log(&failed, schedule, said);
}

/// One line for all failures of a round, as a full disk fails them all, and at most one a minute. `said`: when, while it lasts.
fn log(failed: &[(Step, String)], schedule: &Schedule, said: &mut Option<Instant>) {
    if let Some((step, error)) = failed.first() {
        if said.is_none_or(|said| said.elapsed() >= REMINDER) {
            let object = step.object();
            tracing::warn!(failed = failed.len(), %object, error, "cannot write statuses, trying again");
            *said = Some(Instant::now());
        }
    } else if said.is_some() && !schedule.is_behind() {
        tracing::info!("statuses are written again");
        *said = None;
    }
}

async fn first_report(board: &Board, changes: &mut Changes) {
    while !board.has_reports() && changes.next(Instant::now()).await.is_some() {}
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

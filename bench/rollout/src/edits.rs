//! Edits, and when they are where.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use tokio::task::JoinHandle;

use crate::args::Args;
use crate::figures::{self, seconds};
use crate::fleet::Fleet;
use crate::objects::World;
use crate::plane::Plane;

/// Between two edits of those made one by one.
const PAUSE: Duration = Duration::from_millis(250);
/// Requests under way in a burst.
const CONCURRENCY: usize = 16;

/// When each edit came over a watch of our own: what the API server itself takes.
pub(crate) struct Watched {
    at: Arc<Mutex<BTreeMap<usize, Instant>>>,
    task: JoinHandle<()>,
}

impl Watched {
    /// Watches what is edited.
    pub(crate) fn start(world: &World) -> Self {
        let at = Arc::new(Mutex::new(BTreeMap::new()));
        let (seen, api) = (at.clone(), world.api("MCPServerEntry"));
        let task = tokio::spawn(async move {
            let events = watcher::watcher(api, watcher::Config::default());
            tokio::pin!(events);
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(object)) = event
                    && let Some(edit) = edit(&object)
                {
                    let now = Instant::now();
                    // once more when its status is written
                    seen.lock().unwrap_or_else(PoisonError::into_inner).entry(edit).or_insert(now);
                }
            }
        });
        Self { at, task }
    }

    async fn at(&self, edit: usize) -> anyhow::Result<Instant> {
        let look = async || self.at.lock().unwrap_or_else(PoisonError::into_inner).get(&edit).copied();
        tidegate_bench_cluster::eventually("our own watch shows the edit", Duration::from_secs(10), look)
            .await
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn edit(object: &DynamicObject) -> Option<usize> {
    let url = object.data.pointer("/spec/remoteUrl")?.as_str()?;
    url.rsplit_once("/edit-")?.1.parse().ok()
}

/// One edit after the other: to our own watch, and from there to the last node.
pub(crate) async fn one_by_one(
    world: &World,
    plane: &Plane,
    watched: &Watched,
    fleet: &Fleet,
    args: &Args,
) -> anyhow::Result<()> {
    let earlier = plane.compiles()?.len();
    let (mut watch, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for edit in 0..args.edits {
        let started = Instant::now();
        world.edit(edit).await?;
        let mut at = Vec::new();
        while at.len() < fleet.len() {
            let applied = tokio::time::timeout(args.patience, fleet.applied()).await?;
            at.extend(applied.filter(|applied| applied.edit == edit).map(|applied| applied.at));
        }
        let seen = watched.at(edit).await?;
        watch.push(seen.duration_since(started));
        first.extend(at.iter().min().map(|at| at.saturating_duration_since(seen)));
        last.extend(at.iter().max().map(|at| at.saturating_duration_since(seen)));
        tokio::time::sleep(PAUSE).await;
    }
    figures::times("edit: from the request to a plain watch", watch);
    figures::times("edit: from there until the first node has applied it", first);
    figures::times("edit: from there until every node has applied it", last);
    figures::times("  compiling of that, of each table", plane.compiles()?.split_off(earlier));
    Ok(())
}

/// Many edits at once.
pub(crate) async fn burst(world: &World, plane: &Plane, fleet: &Fleet, args: &Args) -> anyhow::Result<()> {
    let edits = args.edits..args.edits + args.burst;
    let (before, started) = (plane.tally().await?, Instant::now());
    let requests = edits.clone().map(|edit| world.edit(edit));
    stream::iter(requests).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    let requested = started.elapsed();
    let mut missing = args.burst * fleet.len();
    while missing > 0 {
        let applied = tokio::time::timeout(args.patience, fleet.applied()).await?;
        missing -= usize::from(applied.is_some_and(|applied| edits.contains(&applied.edit)));
    }
    let all = started.elapsed();
    let name = format!("{} edits at once: requests, then until every node has them", args.burst);
    figures::add(&name, format!("{}, {}", seconds(requested), seconds(all.saturating_sub(requested))));
    let written = plane.until_written(0, args.patience).await?;
    let tally = plane.tally().await?.since(&before);
    figures::add(
        "  writes of that, and until the last",
        format!("{tally}, {}", seconds(written.duration_since(started))),
    );
    Ok(())
}

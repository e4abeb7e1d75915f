//! The manifests below a directory, watched. A thread of its own scans and reads, since both block: events wake it,
//! a fixed window after the first event lets bursts settle, and a complete scan finds what changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Observation, Observations};
use manifests::Manifests;
use watches::{Anchor, Wake, Watches};

mod files;
mod kept;
mod manifests;
mod scan;
mod watches;

pub(crate) use manifests::read_once;
pub use scan::ScanError;

/// Without any event: mends what the kernel did not tell (an overflow, a network file system).
const RESCAN: Duration = Duration::from_secs(10);
/// At least this long between the look that misses a file and the one that believes it.
const CONFIRM: Duration = Duration::from_millis(20);
/// Scans in one look, while directories keep appearing.
const MAX_SCANS: usize = 4;

/// The manifests below a directory, by path.
///
/// # Errors
/// When the directory cannot be listed.
pub(crate) fn manifest_files(root: &Path) -> Result<Vec<PathBuf>, ScanError> {
    Ok(scan::scan(root)?.files.into_keys().collect())
}

/// A watched directory. Dropping it ends the watch and joins the thread.
#[derive(Debug)]
pub struct DirSource {
    observations: Observations,
    wake: SyncSender<Wake>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DirSource {
    /// Starts to watch. `kept` is where the last good text of each manifest is kept over restarts.
    ///
    /// # Errors
    /// When the thread cannot be started or `kept` not be made.
    pub fn start(root: PathBuf, debounce: Duration, kept: PathBuf) -> io::Result<Self> {
        let (wake, wakes) = sync_channel(1);
        let (publish, observations) = watch::channel(Arc::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            manifests: Manifests::open(kept)?,
            watches: start_watching(wake.clone()),
            root,
            debounce,
            wakes,
            stopping: Arc::clone(&stopping),
            publish,
        };
        let thread = thread::Builder::new().name("source-dir".into()).spawn(move || worker.run())?;
        Ok(Self { observations, wake, stopping, thread: Some(thread) })
    }

    /// Its observations; the first is empty.
    pub fn observations(&self) -> Observations {
        self.observations.clone()
    }
}

impl Drop for DirSource {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Full: a wake is due anyway, and the thread asks the flag then.
        let _full = self.wake.try_send(Wake::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the directory source had panicked");
        }
    }
}

struct Worker {
    root: PathBuf,
    debounce: Duration,
    manifests: Manifests,
    /// Absent when the kernel gives no inotify instance: then the slow rescan is all there is.
    watches: Option<Watches>,
    wakes: Receiver<Wake>,
    stopping: Arc<AtomicBool>,
    publish: watch::Sender<Arc<Observation>>,
}

/// What a wait ended in.
enum Waited {
    Wake,
    Elapsed,
    Stop,
}

impl Worker {
    fn run(mut self) {
        loop {
            let unsure = self.look();
            let patience = if unsure { self.debounce.max(CONFIRM) } else { RESCAN };
            match self.wait(patience) {
                Waited::Stop => return,
                Waited::Elapsed if !unsure => self.doubt_watches(),
                Waited::Elapsed | Waited::Wake => {}
            }
        }
    }

    /// Scans until the watches cover what was scanned, and publishes what is new. Returns whether to look again soon.
    fn look(&mut self) -> bool {
        let mut scanned = scan::scan(&self.root);
        for _ in 1..MAX_SCANS {
            let added = match (&mut self.watches, &scanned) {
                (None, _) => false,
                (Some(watches), Ok(listing)) => watches.set(&listing.directories, anchor(&self.root)),
                (Some(watches), Err(_)) => watches.set(&Default::default(), anchor(&self.root)),
            };
            if !added {
                break;
            }
            scanned = scan::scan(&self.root);
        }
        let taken = self.manifests.take(scanned);
        if taken.changed {
            self.publish.send_replace(Arc::new(self.manifests.observe()));
        }
        taken.unsure
    }

    /// Waits for a wake and then to the end of its window.
    fn wait(&self, patience: Duration) -> Waited {
        match self.wakes.recv_timeout(patience) {
            Ok(Wake::Changed(at)) => self.settle(at + self.debounce),
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => Waited::Stop,
            Err(RecvTimeoutError::Timeout) if self.stopping.load(Ordering::Relaxed) => Waited::Stop,
            Err(RecvTimeoutError::Timeout) => Waited::Elapsed,
        }
    }

    fn settle(&self, until: Instant) -> Waited {
        loop {
            if self.stopping.load(Ordering::Relaxed) {
                return Waited::Stop;
            }
            match self.wakes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Wake::Changed(_)) => {}
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return Waited::Stop,
                Err(RecvTimeoutError::Timeout) => return Waited::Wake,
            }
        }
    }

    fn doubt_watches(&mut self) {
        match &mut self.watches {
            Some(watches) => watches.doubt_all(),
            None => tracing::debug!("directory is not watched, rescanning"),
        }
    }
}

fn start_watching(wake: SyncSender<Wake>) -> Option<Watches> {
    Watches::new(wake)
        .inspect_err(|error| {
            tracing::warn!(%error, "no inotify, changes are seen by the slow rescan only (see fs.inotify.max_user_instances)");
        })
        .ok()
}

/// The nearest existing directory above the root, and the name in it that leads to the root.
fn anchor(root: &Path) -> Option<Anchor> {
    let root = std::path::absolute(root).ok()?;
    let mut below = root.as_path();
    for above in root.ancestors().skip(1) {
        if let Ok(directory) = above.canonicalize() {
            return Some(Anchor { directory, name: below.file_name()?.to_owned() });
        }
        below = above;
    }
    None
}

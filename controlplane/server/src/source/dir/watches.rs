//! Which directories the kernel watches for us. Events only say «look again»: what changed is found by a scan, so a
//! lost, doubled or misleading event costs a moment and never correctness.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// The set of watched directories.
#[derive(Debug)]
pub(super) struct Watches {
    watcher: RecommendedWatcher,
    held: BTreeSet<PathBuf>,
    noted: Arc<Mutex<Noted>>,
    exhausted: bool,
}

/// A reason to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Something changed, first noticed then.
    Changed(Instant),
    /// The source is being dropped.
    Stop,
}

/// A directory that is watched for one name only: it tells when the root comes, goes or is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Canonical.
    pub(super) directory: PathBuf,
    /// The next component on the way to the root.
    pub(super) name: OsString,
}

/// What the event handler and the scanning thread share.
#[derive(Debug, Default)]
struct Noted {
    /// Paths that were removed or moved: if directories, their watches may have ended, and others may come back.
    doubtful: BTreeSet<PathBuf>,
    all_doubtful: bool,
    /// Set while the anchor's directory is not watched for its own sake.
    anchor: Option<Anchor>,
}

/// More doubtful paths than this between two scans, and every watch is renewed instead.
const MAX_DOUBTFUL: usize = 4_096;

impl Watches {
    /// Watches nothing yet. `wake` needs a capacity of one or more; when it is full a wake is already due.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance (`fs.inotify.max_user_instances`).
    pub(super) fn new(wake: SyncSender<Wake>) -> notify::Result<Self> {
        let noted = Arc::<Mutex<Noted>>::default();
        let shared = Arc::clone(&noted);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if lock(&shared).note(event)
                && let Err(TrySendError::Disconnected(_)) = wake.try_send(Wake::Changed(Instant::now()))
            {
                tracing::debug!("directory event after the source ended");
            }
        })?;
        Ok(Self { watcher, held: BTreeSet::new(), noted, exhausted: false })
    }

    /// Makes the watched directories those of `wanted` and the anchor's, renewing the ones in doubt. Returns whether a
    /// watch was added: then a change may have slipped in before it, and the directory must be scanned once more.
    pub(super) fn set(&mut self, wanted: &BTreeSet<PathBuf>, anchor: Option<Anchor>) -> bool {
        let mut wanted: BTreeSet<&Path> = wanted.iter().map(PathBuf::as_path).collect();
        let narrow = anchor.as_ref().filter(|a| !wanted.contains(a.directory.as_path())).cloned();
        wanted.extend(anchor.as_ref().map(|a| a.directory.as_path()));
        self.drop_unwanted(&wanted, narrow);
        let missing: Vec<&Path> = wanted.into_iter().filter(|path| !self.held.contains(*path)).collect();
        let before = self.held.len();
        for path in missing {
            match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.held.insert(path.to_owned())),
                Err(error) => self.refused(path, &error),
            }
        }
        self.held.len() > before
    }

    /// Renews every watch at the next [`set`](Self::set): the slow answer to whatever may have gone wrong unseen.
    pub(super) fn doubt_all(&self) {
        lock(&self.noted).all_doubtful = true;
    }

    fn drop_unwanted(&mut self, wanted: &BTreeSet<&Path>, narrow: Option<Anchor>) {
        let noted = std::mem::replace(&mut *lock(&self.noted), Noted { anchor: narrow, ..Noted::default() });
        let (watcher, held) = (&mut self.watcher, &mut self.held);
        held.retain(|path| {
            let keep =
                wanted.contains(path.as_path()) && !noted.all_doubtful && !noted.doubtful.contains(path);
            if !keep {
                // An error says that the watch is gone already.
                let _gone = watcher.unwatch(path);
            }
            keep
        });
    }

    fn refused(&mut self, path: &Path, error: &notify::Error) {
        match error.kind {
            notify::ErrorKind::MaxFilesWatch if self.exhausted => {}
            notify::ErrorKind::MaxFilesWatch => {
                self.exhausted = true;
                tracing::warn!(
                    path = %path.display(),
                    "out of inotify watches, changes are seen by the slow rescan only (raise fs.inotify.max_user_watches)"
                );
            }
            // It vanished since the scan; the next one will tell.
            notify::ErrorKind::PathNotFound => {}
            _ => tracing::warn!(path = %path.display(), %error, "cannot watch directory"),
        }
    }
}

impl Noted {
    /// Whether an event is a reason to look again; notes what it casts doubt on.
    fn note(&mut self, event: notify::Result<Event>) -> bool {
        let Ok(event) = event else {
            self.all_doubtful = true;
            return true;
        };
        if event.need_rescan() {
            // The queue overflowed: nobody knows what was lost.
            self.all_doubtful = true;
            return true;
        }
        if event.paths.iter().all(|path| self.beside_anchor(path)) {
            return false;
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            // Reading, our own for instance.
            EventKind::Access(_) => false,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                self.doubt(event.paths);
                true
            }
            _ => true,
        }
    }

    fn doubt(&mut self, paths: Vec<PathBuf>) {
        if self.doubtful.len() + paths.len() > MAX_DOUBTFUL {
            self.all_doubtful = true;
            self.doubtful.clear();
        } else {
            self.doubtful.extend(paths);
        }
    }

    fn beside_anchor(&self, path: &Path) -> bool {
        self.anchor.as_ref().is_some_and(|anchor| {
            path.parent() == Some(&anchor.directory) && path.file_name() != Some(&anchor.name)
        })
    }
}

fn lock(noted: &Mutex<Noted>) -> MutexGuard<'_, Noted> {
    noted.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessMode::Any, CreateKind, DataChange, Flag, RemoveKind};

    use super::*;

    fn check(noted: &mut Noted, kind: EventKind, path: &str, wakes: bool) {
        let event = Event::new(kind).add_path(path.into());
        assert_eq!(noted.note(Ok(event)), wakes, "{kind:?} {path}");
    }

    #[test]
    fn changes_wake_and_reading_does_not() {
        let mut noted = Noted::default();
        check(&mut noted, EventKind::Create(CreateKind::File), "/m/a.yaml", true);
        check(&mut noted, EventKind::Modify(ModifyKind::Data(DataChange::Any)), "/m/a.yaml", true);
        check(&mut noted, EventKind::Access(AccessKind::Close(AccessMode::Write)), "/m/a.yaml", true);
        check(&mut noted, EventKind::Access(AccessKind::Close(AccessMode::Read)), "/m/a.yaml", false);
        check(&mut noted, EventKind::Access(AccessKind::Open(Any)), "/m/a.yaml", false);
        assert!(noted.doubtful.is_empty() && !noted.all_doubtful);
        check(&mut noted, EventKind::Remove(RemoveKind::Folder), "/m/sub", true);
        assert!(noted.doubtful.contains(Path::new("/m/sub")));
    }

    #[test]
    fn after_an_overflow_every_watch_is_in_doubt() {
        let mut noted = Noted::default();
        assert!(noted.note(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))));
        assert!(noted.all_doubtful);
        let mut noted = Noted::default();
        noted.doubt((0..=MAX_DOUBTFUL).map(|n| format!("/m/{n}").into()).collect());
        assert!(noted.all_doubtful && noted.doubtful.is_empty());
    }

    #[test]
    fn beside_the_root_only_the_root_counts() {
        let anchor = Anchor { directory: "/etc".into(), name: "m".into() };
        let mut noted = Noted { anchor: Some(anchor), ..Noted::default() };
        check(&mut noted, EventKind::Create(CreateKind::File), "/etc/passwd", false);
        check(&mut noted, EventKind::Create(CreateKind::Folder), "/etc/m", true);
        check(&mut noted, EventKind::Create(CreateKind::File), "/etc/m/a.yaml", true);
    }
}

//! One look at a directory: which manifests lie there, how they look from outside, and what to watch.
//! Reads no file. Every scan is complete; nothing here remembers the one before.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More manifests than this in one source are refused: the listing would not be complete.
pub(super) const MAX_FILES: usize = 20_000;
/// More directories than this are refused, as each costs an inotify watch.
pub(super) const MAX_DIRECTORIES: usize = 20_000;

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Manifests by path as found (below the root, links not resolved).
    pub(super) files: BTreeMap<PathBuf, Stamp>,
    /// Canonical directories in which a change can alter the listing or a manifest.
    pub(super) directories: BTreeSet<PathBuf>,
    /// What could not be looked at. What was known below such a path is still believed to be there.
    pub(super) obstacles: Vec<Obstacle>,
}

/// How a file looks from outside; equal stamps mean equal content (see [`Stamp::settled`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

/// A path below the root that could not be looked at.
#[derive(Debug)]
pub(super) struct Obstacle {
    /// The file or directory.
    pub(super) path: PathBuf,
    /// Why.
    pub(super) cause: io::Error,
}

/// Why there is no listing at all.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The root is missing or cannot be listed.
    #[error("cannot list {}", path.display())]
    Root {
        /// The root.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A bound was exceeded.
    #[error("more than {limit} {what} below {}", path.display())]
    TooMany {
        /// The root.
        path: PathBuf,
        /// `manifests` or `directories`.
        what: &'static str,
        /// How many are taken.
        limit: usize,
    },
}

/// Lists the manifests below `root`: `*.yaml`, `*.yml` and `*.json`, recursively. Names that begin with a dot are
/// passed over (editors' swap files, and the `..data` of a mounted ConfigMap, whose files are reached through links).
/// Links are followed; a directory or file that is reached a second time through a link is taken once.
///
/// # Errors
/// When the root cannot be listed or holds too much: then nothing is known, which is not the same as nothing.
pub(super) fn scan(root: &Path) -> Result<Listing, ScanError> {
    let unlistable = |source| ScanError::Root { path: root.to_owned(), source };
    let meta = fs::metadata(root).map_err(unlistable)?;
    let entries = list(root).map_err(unlistable)?;
    let mut walk = Walk { root, listing: Listing::default(), seen: HashSet::new(), links: VecDeque::new() };
    walk.seen.insert((meta.dev(), meta.ino()));
    walk.directory(root, entries)?;
    walk.follow_links()?;
    Ok(walk.listing)
}

struct Walk<'a> {
    root: &'a Path,
    listing: Listing,
    /// Device and inode of every directory and file taken.
    seen: HashSet<(u64, u64)>,
    /// Links wait until everything real is known, so that the real path of a file wins.
    links: VecDeque<PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path, entries: Vec<DirEntry>) -> Result<(), ScanError> {
        let mut pending = vec![(path.to_owned(), entries)];
        while let Some((path, entries)) = pending.pop() {
            self.watch(&path)?;
            for entry in entries {
                if let Some(sub) = self.entry(&entry)? {
                    match list(&sub) {
                        Ok(entries) => pending.push((sub, entries)),
                        Err(cause) => self.obstacle(sub, cause),
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a file, queues a link, or returns a directory to descend into.
    fn entry(&mut self, entry: &DirEntry) -> Result<Option<PathBuf>, ScanError> {
        let path = entry.path();
        if hidden(&path) {
            return Ok(None);
        }
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            Err(cause) => {
                self.obstacle(path, cause);
                return Ok(None);
            }
        };
        if meta.is_symlink() {
            self.links.push_back(path);
        } else if meta.is_dir() {
            return Ok(self.seen.insert((meta.dev(), meta.ino())).then_some(path));
        } else if is_manifest(&path) {
            self.seen.insert((meta.dev(), meta.ino()));
            self.file(path, &meta)?;
        }
        Ok(None)
    }

    fn follow_links(&mut self) -> Result<(), ScanError> {
        while let Some(path) = self.links.pop_front() {
            let meta = match fs::metadata(&path) {
                Ok(meta) => meta,
                Err(cause) => {
                    // A dangling link that is no manifest is nobody's business.
                    if is_manifest(&path) {
                        self.obstacle(path, cause);
                    }
                    continue;
                }
            };
            let wanted = meta.is_dir() || is_manifest(&path);
            if !wanted || !self.seen.insert((meta.dev(), meta.ino())) {
                continue;
            }
            if meta.is_dir() {
                match list(&path) {
                    Ok(entries) => self.directory(&path, entries)?,
                    Err(cause) => self.obstacle(path, cause),
                }
            } else {
                if let Some(parent) = fs::canonicalize(&path).ok().as_deref().and_then(Path::parent) {
                    self.watch(parent)?;
                }
                self.file(path, &meta)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, meta: &Metadata) -> Result<(), ScanError> {
        if !meta.is_file() {
            self.obstacle(path, io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            return Ok(());
        }
        if self.listing.files.len() >= MAX_FILES {
            return Err(self.too_many("manifests", MAX_FILES));
        }
        self.listing.files.insert(path, Stamp::of(meta));
        Ok(())
    }

    fn watch(&mut self, directory: &Path) -> Result<(), ScanError> {
        if let Ok(canonical) = fs::canonicalize(directory) {
            self.listing.directories.insert(canonical);
        }
        if self.listing.directories.len() > MAX_DIRECTORIES {
            return Err(self.too_many("directories", MAX_DIRECTORIES));
        }
        Ok(())
    }

    fn obstacle(&mut self, path: PathBuf, cause: io::Error) {
        // What vanished between listing and looking is simply gone; a link that leads nowhere is not.
        if cause.kind() == io::ErrorKind::NotFound && !path.is_symlink() {
            return;
        }
        self.listing.obstacles.push(Obstacle { path, cause });
    }

    fn too_many(&self, what: &'static str, limit: usize) -> ScanError {
        ScanError::TooMany { path: self.root.to_owned(), what, limit }
    }
}

impl Stamp {
    /// The stamp of a file.
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file had rested for `grace_ns` at `now_ns` (Unix time). File times advance in ticks of some
    /// milliseconds: two writes within one tick can leave the same stamp, so a younger one proves nothing.
    pub(super) fn settled(&self, now_ns: i128, grace_ns: i128) -> bool {
        now_ns - self.modified_ns.max(self.changed_ns) > grace_ns
    }
}

fn nanoseconds(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

/// The entries of a directory, by name: scans are deterministic.
fn list(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether a file of this name is read.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| matches!(e, "yaml" | "yml" | "json"))
}

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;

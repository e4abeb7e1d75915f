//! From listing to listing: which manifests have other content than before. A file whose stamp is known is not read,
//! one whose content is known is not reported.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};

use super::scan::{Listing, Obstacle, Stamp, is_manifest};

/// File times advance in ticks of at most this much on the kernels and file systems we know of.
const TICK_NS: i128 = 20_000_000;

/// What is known of every manifest.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: BTreeMap<PathBuf, Known>,
}

#[derive(Debug)]
struct Known {
    /// Absent: read it again whatever it looks like.
    stamp: Option<Stamp>,
    content: [u8; 32],
    /// The last listing lacked it. Editors that save by renaming away and writing anew leave such a moment, so it is
    /// believed gone only when the next listing lacks it too.
    missed: bool,
}

/// What differs from the listing before.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// New and changed manifests with their content, at most one byte more than the bound.
    pub(super) read: Vec<(PathBuf, Vec<u8>)>,
    /// Manifests that are gone.
    pub(super) gone: Vec<PathBuf>,
    /// What could not be looked at or read.
    pub(super) obstacles: Vec<Obstacle>,
    /// Some file was missing for the first time: another listing is needed soon.
    pub(super) unsure: bool,
}

impl Files {
    /// Takes a listing. At most `bound + 1` bytes of a file are read: enough to tell that it is too large.
    pub(super) fn update(&mut self, listing: Listing, bound: usize) -> Changes {
        let mut changes = Changes { obstacles: listing.obstacles, ..Changes::default() };
        self.find_missing(&listing.files, &mut changes);
        for (path, stamp) in listing.files {
            if self.known.get(&path).is_some_and(|known| known.stamp == Some(stamp)) {
                continue;
            }
            match read(&path, bound) {
                Ok((stamp, bytes)) => self.take(path, stamp, bytes, &mut changes),
                Err(cause) => changes.obstacles.push(Obstacle { path, cause }),
            }
        }
        for obstacle in changes.obstacles.iter().filter(|o| is_manifest(&o.path)) {
            self.known.insert(obstacle.path.clone(), Known::UNREAD);
        }
        changes
    }

    /// The manifests believed to be there.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.known.keys().map(PathBuf::as_path)
    }

    fn find_missing(&mut self, listed: &BTreeMap<PathBuf, Stamp>, changes: &mut Changes) {
        self.known.retain(|path, known| {
            if listed.contains_key(path) || changes.obstacles.iter().any(|o| path.starts_with(&o.path)) {
                known.missed = false;
                return true;
            }
            if std::mem::replace(&mut known.missed, true) {
                changes.gone.push(path.clone());
                return false;
            }
            changes.unsure = true;
            true
        });
    }

    fn take(&mut self, path: PathBuf, stamp: Option<Stamp>, bytes: Vec<u8>, changes: &mut Changes) {
        let content = sha256(&bytes);
        let unchanged = self.known.get(&path).is_some_and(|known| known.content == content);
        if unchanged {
            self.known.insert(path, Known { stamp, content, missed: false });
        } else {
            self.known.insert(path.clone(), Known { stamp, content, missed: false });
            changes.read.push((path, bytes));
        }
    }
}

impl Known {
    /// A manifest that is there and could not be read: whatever it says, once it can be, is news.
    const UNREAD: Self = Self { stamp: None, content: [0; 32], missed: false };
}

/// Content, and a stamp when it can be trusted: the file looked the same before and after, and had rested.
fn read(path: &Path, bound: usize) -> io::Result<(Option<Stamp>, Vec<u8>)> {
    let file = open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let size = usize::try_from(before.len()).unwrap_or(bound).min(bound);
    let mut bytes = Vec::with_capacity(size + 1);
    (&file).take(bound as u64 + 1).read_to_end(&mut bytes)?;
    let (before, after) = (Stamp::of(&before), Stamp::of(&file.metadata()?));
    Ok(((before == after && after.settled(unix_ns(), TICK_NS)).then_some(after), bytes))
}

fn open(path: &Path) -> io::Result<File> {
    // Between listing and opening a pipe may have taken its place: opening one would block.
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

fn unix_ns() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(0))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut content = [0; 32];
    content.copy_from_slice(digest(&SHA256, bytes).as_ref());
    content
}

#[cfg(test)]
#[path = "files/tests.rs"]
mod tests;

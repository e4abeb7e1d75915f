//! The state directory: what must survive a restart. Files are replaced whole, and one process owns the directory.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// Larger files than this are not ours.
const MAX_FILE: u64 = 1 << 30;

/// An open state directory, locked until dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// Why the state directory is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be made or written.
    #[error("cannot use the state directory {}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another control plane runs on it.
    #[error("the state directory {} belongs to a running control plane", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A file in it cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where state goes unless told: `/var/lib/tidegate/controlplane` as root, else below `$XDG_STATE_HOME` or
/// `~/.local/state`. `None` when there is no home.
pub fn default_path() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some("/var/lib/tidegate/controlplane".into());
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(base.join("tidegate/controlplane"))
}

impl StateDir {
    /// Opens the directory, making it (readable by the owner only) when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or another process holds it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let unusable = |source| StateError::Unusable { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// The content of a file; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.path.join(name);
        match read_bounded(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::File { action: "read", path, source }),
        }
    }

    /// Replaces a file: readers, and we after a crash at any point, see the old content or the new.
    ///
    /// # Errors
    /// When it cannot be written; then the old content stays.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.path.join(name);
        self.replace(name, bytes).map_err(|source| StateError::File { action: "write", path, source })
    }

    /// Moves a file that cannot be used out of the way, for people to look at.
    pub fn set_aside(&self, name: &str) {
        let aside = self.path.join(format!("{name}.unreadable"));
        if let Err(error) = fs::rename(self.path.join(name), &aside) {
            tracing::warn!(%error, path = %aside.display(), "cannot set the file aside");
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // One process owns the directory, so one temporary name per file is enough and none are left to collect.
        let temporary = self.path.join(format!("{name}.new"));
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, self.path.join(name))?;
        File::open(&self.path)?.sync_all()
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    if file.metadata()?.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any state of ours"));
    }
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("a/b")).unwrap();
        assert_eq!(state.read("x").unwrap(), None);
        state.write("x", b"a longer first content").unwrap();
        state.write("x", b"second").unwrap();
        assert_eq!(state.read("x").unwrap().as_deref(), Some(&b"second"[..]));
        let mode = fs::metadata(dir.path().join("a/b/x")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_second_process_is_turned_away_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::open(dir.path()).unwrap();
        assert!(matches!(StateDir::open(dir.path()), Err(StateError::InUse { .. })));
        drop(first);
        StateDir::open(dir.path()).unwrap();
    }
}

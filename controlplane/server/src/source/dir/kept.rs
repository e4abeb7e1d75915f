//! The last good text of every manifest, in the state directory: a manifest that breaks while nobody runs still has
//! something to fall back on. Written without waiting for the disk; a lost or torn file only costs that fall-back.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256, digest};

/// Texts by manifest.
#[derive(Debug)]
pub(super) struct Kept {
    directory: PathBuf,
}

impl Kept {
    /// Opens the directory, making it when it is not there.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// The last good text of a manifest.
    pub(super) fn get(&self, manifest: &Path) -> Option<Vec<u8>> {
        let stored = fs::read(self.place(manifest)).ok()?;
        let (checksum, text) = stored.split_at_checked(32)?;
        (digest(&SHA256, text).as_ref() == checksum).then(|| text.to_vec())
    }

    /// Keeps a text.
    pub(super) fn put(&self, manifest: &Path, text: &[u8]) {
        if self.get(manifest).as_deref() == Some(text) {
            return;
        }
        if let Err(error) = self.replace(manifest, text) {
            tracing::warn!(%error, manifest = %manifest.display(), "cannot keep the last good text of a manifest");
        }
    }

    /// Forgets a manifest.
    pub(super) fn remove(&self, manifest: &Path) {
        // Most often it never was there; whatever else is wrong, `retain` at the next start tries again.
        let _absent = fs::remove_file(self.place(manifest));
    }

    /// Forgets all but these.
    pub(super) fn retain<'a>(&self, manifests: impl Iterator<Item = &'a Path>) {
        let wanted: BTreeSet<PathBuf> = manifests.map(|m| self.place(m)).collect();
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for path in entries.flatten().map(|e| e.path()).filter(|p| !wanted.contains(p)) {
            let _absent = fs::remove_file(path);
        }
    }

    fn replace(&self, manifest: &Path, text: &[u8]) -> io::Result<()> {
        let temporary = self.directory.join("new");
        let mut file =
            fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(digest(&SHA256, text).as_ref())?;
        file.write_all(text)?;
        fs::rename(&temporary, self.place(manifest))
    }

    fn place(&self, manifest: &Path) -> PathBuf {
        let mut name = Context::new(&SHA256);
        // The same manifest under every working directory.
        let manifest = std::path::absolute(manifest).unwrap_or_else(|_| manifest.to_owned());
        name.update(manifest.as_os_str().as_encoded_bytes());
        let hex: String = name.finish().as_ref()[..16].iter().map(|b| format!("{b:02x}")).collect();
        self.directory.join(hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_until_removed_and_only_when_whole() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::open(dir.path().join("k")).unwrap();
        let manifest = Path::new("/m/a.yaml");
        assert_eq!(kept.get(manifest), None);
        kept.put(manifest, b"text");
        assert_eq!(kept.get(manifest).as_deref(), Some(&b"text"[..]));
        fs::write(kept.place(manifest), "torn").unwrap();
        assert_eq!(kept.get(manifest), None);
        kept.put(manifest, b"text");
        kept.remove(manifest);
        assert_eq!(kept.get(manifest), None);
    }

    #[test]
    fn others_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::open(dir.path().join("k")).unwrap();
        kept.put(Path::new("/a"), b"a");
        kept.put(Path::new("/b"), b"b");
        kept.retain([Path::new("/b")].into_iter());
        assert_eq!(kept.get(Path::new("/a")), None);
        assert!(kept.get(Path::new("/b")).is_some());
    }
}

//! From what lies in a directory to documents: each changed manifest is read once, each broken one keeps what it last
//! said, also when it last said so to an earlier process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_controlplane_api::read::MAX_FILE_BYTES;
use tidegate_controlplane_api::{Diagnostic, Severity, Source, Store, read};
use tidegate_controlplane_compile::ClusterView;

use super::super::Observation;
use super::files::{Changes, Files};
use super::kept::Kept;
use super::scan::{self, Listing, Obstacle, ScanError, is_manifest};

/// The documents of a directory.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    store: Store,
    files: Files,
    kept: Option<Kept>,
    /// A listing has been complete.
    listed: bool,
    /// What stands in the way of listing, in no document.
    obstacles: Vec<Diagnostic>,
}

/// What a listing led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Documents or diagnostics are others than before.
    pub(super) changed: bool,
    /// Another listing is needed soon.
    pub(super) unsure: bool,
}

/// Reads a directory once, as `tidegate validate` does: without watching, and without anything from earlier.
///
/// # Errors
/// When the directory cannot be listed.
pub(crate) fn read_once(root: &Path) -> Result<Observation, ScanError> {
    let mut manifests = Manifests::default();
    manifests.take(Ok(scan::scan(root)?));
    Ok(manifests.observe())
}

impl Manifests {
    /// Nothing yet; last good texts are kept in `directory`.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        Ok(Self { kept: Some(Kept::open(directory)?), ..Self::default() })
    }

    /// Takes a listing. When there is none, everything stays as it was: not knowing is not knowing of nothing.
    pub(super) fn take(&mut self, scanned: Result<Listing, ScanError>) -> Taken {
        match scanned {
            Ok(listing) => self.take_listing(listing),
            Err(error) => {
                let obstacles = vec![unlistable(&error)];
                let changed = self.obstacles != obstacles;
                self.obstacles = obstacles;
                Taken { changed, unsure: false }
            }
        }
    }

    /// What is known now.
    pub(super) fn observe(&self) -> Observation {
        let diagnostics = self.obstacles.iter().chain(self.store.diagnostics()).cloned().collect();
        let view = self.listed.then(|| Arc::new(ClusterView::of(&self.store)));
        Observation { view, diagnostics, epoch: 0 }
    }

    fn take_listing(&mut self, listing: Listing) -> Taken {
        let Changes { read, gone, obstacles, unsure } = self.files.update(listing, MAX_FILE_BYTES);
        let first = !std::mem::replace(&mut self.listed, true);
        let mut changed = first;
        for (path, bytes) in &read {
            changed |= self.content(path, bytes);
        }
        for path in &gone {
            changed |= self.store.update(&name(path), None);
            self.kept.iter().for_each(|kept| kept.remove(path));
        }
        if first && obstacles.is_empty() {
            self.kept.iter().for_each(|kept| kept.retain(self.files.paths()));
        }
        changed |= self.take_obstacles(&obstacles);
        Taken { changed, unsure }
    }

    fn content(&mut self, path: &Path, bytes: &[u8]) -> bool {
        let reading = read(&name(path), bytes);
        let sound = reading.failures.is_empty() && !reading.blank;
        if !sound {
            self.recall(path);
        }
        let changed = self.store.apply(&name(path), reading);
        if sound && let Some(kept) = &self.kept {
            kept.put(path, bytes);
        }
        changed
    }

    fn take_obstacles(&mut self, obstacles: &[Obstacle]) -> bool {
        let mut changed = false;
        let (manifests, others): (Vec<_>, Vec<_>) = obstacles.iter().partition(|o| is_manifest(&o.path));
        for obstacle in manifests {
            self.recall(&obstacle.path);
            let message = format!("cannot be read: {}", obstacle.cause);
            changed |= self.store.unreadable_file(&name(&obstacle.path), UNREADABLE, &message, READABLE);
        }
        let others = others.into_iter().map(unreadable_directory).collect();
        changed |= self.obstacles != others;
        self.obstacles = others;
        changed
    }

    /// Puts back what an earlier process last understood of a manifest that this one has not understood yet.
    fn recall(&mut self, path: &Path) {
        let file = name(path);
        if self.store.files().any(|known| known == file) {
            return;
        }
        if let Some(text) = self.kept.as_ref().and_then(|kept| kept.get(path)) {
            self.store.update(&file, Some(&text));
        }
    }
}

const UNREADABLE: &str = "file-unreadable";
const READABLE: &str = "make it readable for the control plane, or remove it";

/// How a manifest is called in diagnostics: as people would type it.
fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn unlistable(error: &ScanError) -> Diagnostic {
    let (path, message, remedy) = match error {
        ScanError::Root { path, source } => {
            (path, format!("cannot be listed: {source}"), "create the directory, or make it readable")
        }
        ScanError::TooMany { path, .. } => {
            (path, error.to_string(), "spread them over several control planes")
        }
    };
    about(path, "source-unlistable", format!("{message}; what was read before stays in force"), remedy)
}

fn unreadable_directory(obstacle: &Obstacle) -> Diagnostic {
    let message = format!("cannot be listed: {}; what was read before stays in force", obstacle.cause);
    about(
        &obstacle.path,
        "directory-unreadable",
        message,
        "make it readable for the control plane, or remove it",
    )
}

fn about(path: &Path, code: &'static str, message: String, remedy: &str) -> Diagnostic {
    let source = Some(Source { file: name(path).into(), line: 1, column: 1 });
    let (severity, remedy) = (Severity::Error, remedy.to_owned());
    Diagnostic { severity, code, object: None, source, field: None, message, remedy }
}

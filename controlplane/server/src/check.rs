//! A directory read and compiled once, for `tidegate validate`.

use std::path::{Path, PathBuf};

use tidegate_controlplane_api::Diagnostic;
use tidegate_controlplane_compile::{Compiled, compile};

use crate::source::dir::{ScanError, manifest_files, read_once};

/// What a control plane would make of a directory, started on it with nothing from before.
#[derive(Debug)]
pub struct Checked {
    /// Table, commands and all.
    pub compiled: Compiled,
    /// All findings of reading and compiling, in the order in which people read them.
    pub diagnostics: Vec<Diagnostic>,
    /// The manifests below the directory, legible or not.
    pub files: Vec<PathBuf>,
}

/// Reads and compiles the manifests below a directory.
///
/// # Errors
/// When the directory cannot be listed.
pub fn check_dir(root: &Path) -> Result<Checked, ScanError> {
    let observation = read_once(root)?;
    let view = observation.view.unwrap_or_default();
    let compiled = compile(&view);
    let mut diagnostics = observation.diagnostics;
    diagnostics.extend(compiled.diagnostics.iter().cloned());
    Diagnostic::sort(&mut diagnostics);
    Ok(Checked { compiled, diagnostics, files: manifest_files(root)? })
}

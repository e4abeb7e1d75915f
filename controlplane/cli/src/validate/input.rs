//! The manifests to check: a directory as the control plane reads it, or files, or standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tidegate_controlplane_api::read::{MAX_FILE_BYTES, Manifest, manifests};
use tidegate_controlplane_api::{Diagnostic, Store};
use tidegate_controlplane_compile::{ClusterView, compile};
use tidegate_controlplane_server::check::check_dir;

use super::dry_run::Count;

/// What was found.
pub(crate) struct Findings {
    /// In the order in which people read them.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Virtual servers that would be served.
    pub(crate) virtual_servers: usize,
    /// Backends that would be served.
    pub(crate) backends: usize,
    /// What a cluster takes, if one was asked.
    pub(crate) cluster: Option<Count>,
}

/// What was found, and in what.
pub(crate) struct Checked {
    pub(crate) findings: Findings,
    pub(crate) files: Files,
}

/// What was checked.
pub(crate) enum Files {
    /// By path; not held in memory.
    Below(Vec<PathBuf>),
    /// By name in messages.
    Read(Vec<(String, Vec<u8>)>),
}

/// Reads and compiles. What cannot be read at all is an error of the command, not a finding.
pub(crate) fn check(paths: &[PathBuf]) -> anyhow::Result<Checked> {
    match paths {
        [only] if only.is_dir() => {
            let checked = check_dir(only).with_context(|| format!("-f {}", only.display()))?;
            let table = &checked.compiled.table;
            let findings = Findings {
                virtual_servers: table.virtual_servers().count(),
                backends: table.backends().count(),
                diagnostics: checked.diagnostics,
                cluster: None,
            };
            Ok(Checked { findings, files: Files::Below(checked.files) })
        }
        many => check_files(many),
    }
}

impl Files {
    /// Their objects, as they are written.
    pub(crate) fn manifests(&self) -> anyhow::Result<Vec<Manifest>> {
        match self {
            Files::Read(files) => Ok(files.iter().flat_map(|(name, bytes)| manifests(name, bytes)).collect()),
            Files::Below(paths) => {
                let mut all = Vec::new();
                for path in paths {
                    let (name, bytes) = read(path)?;
                    all.extend(manifests(&name, &bytes));
                }
                Ok(all)
            }
        }
    }
}

fn check_files(paths: &[PathBuf]) -> anyhow::Result<Checked> {
    let files = paths.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut store = Store::new();
    for (name, bytes) in &files {
        store.update(name, Some(bytes));
    }
    let view = ClusterView::of(&store);
    let compiled = compile(&view);
    let mut diagnostics: Vec<Diagnostic> =
        store.diagnostics().chain(compiled.diagnostics.iter()).cloned().collect();
    Diagnostic::sort(&mut diagnostics);
    let findings = Findings {
        diagnostics,
        virtual_servers: compiled.table.virtual_servers().count(),
        backends: compiled.table.backends().count(),
        cluster: None,
    };
    Ok(Checked { findings, files: Files::Read(files) })
}

/// A file's name in messages, and at most one byte more than may be in it: enough to tell that it is too large.
fn read(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let bound = MAX_FILE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(bound).read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(("<stdin>".into(), bytes));
    }
    if path.is_dir() {
        let dir = path.display();
        bail!("-f {dir}: a directory is checked alone\n  help: run `tidegate validate -f {dir}` by itself");
    }
    let file = std::fs::File::open(path).with_context(|| format!("-f {}", path.display()))?;
    file.take(bound).read_to_end(&mut bytes).with_context(|| format!("-f {}", path.display()))?;
    Ok((path.display().to_string(), bytes))
}

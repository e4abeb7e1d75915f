//! `tidegate copy-to FOLDER`: this program as a file of another container's volume, where it runs as the bridge of a stdio
//! server (ADR 0014). Images with nothing but the program have no `cp`.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Copies, with the permissions; whole or not at all, so that it may be done again.
pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program's file is not known")?;
    let (partial, copy) = (folder.join(".tidegate"), folder.join("tidegate"));
    fs::copy(&program, &partial)
        .and_then(|_| fs::rename(&partial, &copy))
        .with_context(|| format!("cannot copy {} to {}", program.display(), copy.display()))
}

//! User-space instructions, by callgrind, which sees no kernel.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::counts::profile::Profile;
use crate::counts::{Instructions, load};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::target::Name;

/// Under valgrind everything is some fifty times slower. What is not the load's (start, probes) is some ten million
/// instructions and differs a little from one start to the next.
const SHORT: u64 = 1_000;
const LONG: u64 = 6_000;

/// Starts the target anew under callgrind, once for each length.
pub(super) fn instructions(
    plan: &Plan,
    stage: &Stage<'_>,
    scenario: &Scenario,
    name: Name,
) -> anyhow::Result<Instructions> {
    let run = |requests| {
        let folder = tempfile::tempdir_in(stage.folder.path())?;
        let out = format!("--callgrind-out-file={}/out.%p", folder.path().display());
        let before = ["valgrind", "--tool=callgrind", "--trace-children=yes", &out].map(OsString::from);
        let mut target = stage.start(name, &before)?;
        stage.ready(&mut target, scenario)?;
        load(plan, stage, scenario, &target, requests)?;
        // it writes its profile when it ends
        drop(target);
        collected(folder.path())
    };
    let (short, _) = run(SHORT)?;
    let (long, largest) = run(LONG)?;
    let (each, parts) = long.each(&short, LONG - SHORT);
    Ok(Instructions { each, parts, profile: largest })
}

/// What the profiles of all processes say together, and the text of the one that says most.
fn collected(folder: &Path) -> anyhow::Result<(Profile, String)> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    let (mut all, mut most, mut largest) = (Profile::default(), 0, String::new());
    for file in files {
        let text = fs::read_to_string(file)?;
        let profile = Profile::read(&text);
        if profile.total > most {
            (most, largest) = (profile.total, text);
        }
        all.add(profile);
    }
    Ok((all, largest))
}

//! Where programs are: beside our own executable, else in PATH.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

/// The places to look, in order.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    beside: PathBuf,
    path: Vec<PathBuf>,
}

impl Places {
    /// As this process sees them.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find the own executable")?;
        let beside = own.parent().map(Path::to_owned).unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(Self { beside, path: std::env::split_paths(&path).collect() })
    }

    /// A program by name; one with a slash is a path, relative to `dir`.
    pub(crate) fn find(&self, program: &str, dir: &Path) -> Option<PathBuf> {
        if program.contains('/') {
            return Some(dir.join(program)).filter(|path| is_executable(path));
        }
        let candidates = std::iter::once(&self.beside).chain(&self.path).map(|place| place.join(program));
        candidates.into_iter().find(|path| is_executable(path))
    }

    /// One of our own binaries, which must be there.
    pub(crate) fn own(&self, program: &str) -> anyhow::Result<PathBuf> {
        self.find(program, Path::new("/")).ok_or_else(|| {
            anyhow!(
                "`{program}` was found neither in {} nor in PATH\n  help: install it beside tidegate (in the sources: \
                 `cargo build`)",
                self.beside.display()
            )
        })
    }
}

fn is_executable(path: &Path) -> bool {
    path.file_name() != Some(OsStr::new(""))
        && path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_beside_us_come_before_path_and_slashes_mean_paths() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str, mode: u32| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let beside = place("beside/both", 0o755);
        place("path/both", 0o755);
        let only_path = place("path/one", 0o755);
        place("beside/one", 0o644);
        let local = place("dir/local", 0o755);
        let places = Places { beside: root.path().join("beside"), path: vec![root.path().join("path")] };
        let check = |program: &str, expected: Option<&PathBuf>| {
            let found = places.find(program, &root.path().join("dir"));
            assert_eq!(found.map(|path| path.canonicalize().unwrap()).as_ref(), expected, "{program}");
        };
        check("both", Some(&beside));
        check("one", Some(&only_path));
        check("./local", Some(&local));
        check("local", None);
        check("none", None);
    }
}

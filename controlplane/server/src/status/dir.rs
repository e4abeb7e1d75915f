//! Statuses as files, `DIR/NAMESPACE/KIND/NAME.yaml`: what `kubectl get -o yaml` shows of an object, without a cluster.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tidegate_controlplane_api::{Kind, ObjectRef};

use super::{Status, document};

/// The first line of each file: what does not begin so is not ours, and is left alone.
const HEADER: &str = "# Written by tidegate at each change; edits are lost.\n";
const END: &str = ".yaml";

/// A directory of statuses.
#[derive(Debug)]
pub struct DirWriter {
    root: PathBuf,
}

impl DirWriter {
    /// Makes the directory when it is not there.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    /// The objects whose statuses an earlier process left.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn left(&self) -> io::Result<Vec<ObjectRef>> {
        let mut left = Vec::new();
        for namespace in names(&self.root)? {
            for kind in Kind::SERVED {
                let dir = self.root.join(&namespace).join(kind.as_str());
                for file in names(&dir)? {
                    let Some(name) = file.strip_suffix(END) else { continue };
                    if is_ours(&dir.join(&file))? {
                        left.push(ObjectRef::new(kind, &namespace, name));
                    }
                }
            }
        }
        Ok(left)
    }

    /// Replaces a status: readers see the old file or the new one. Not forced to the disk: a new process writes all again.
    ///
    /// # Errors
    /// When it cannot be written; then the old file stays.
    pub fn put(&self, object: &ObjectRef, status: &Status) -> io::Result<()> {
        let path = self.path(object)?;
        let document = document(object, status).ok_or(io::ErrorKind::InvalidData)?;
        let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(dir)?;
        // Hidden: who lists the directory does not take it for a status.
        let temporary = dir.join(format!(".{}.new", object.name));
        fs::write(&temporary, format!("{HEADER}{document}"))?;
        fs::rename(&temporary, &path)
    }

    /// Removes a status, and the directories that are empty then.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, object: &ObjectRef) -> io::Result<()> {
        let path = self.path(object)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // One that is not empty stays, which is not an error.
        path.ancestors().skip(1).take(2).all(|dir| fs::remove_dir(dir).is_ok());
        Ok(())
    }

    /// Names from manifests that could leave the directory have been refused when they were read; here once more.
    fn path(&self, object: &ObjectRef) -> io::Result<PathBuf> {
        let plain = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\0']) && part.len() < 254
        };
        if ![&object.namespace, &object.name].into_iter().all(|part| plain(part)) {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let dir = self.root.join(&*object.namespace).join(object.kind.as_str());
        Ok(dir.join(format!("{}{END}", object.name)))
    }
}

/// What is in a directory; nothing when there is no such directory.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    // A name that is not text is none of ours.
    entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
}

fn is_ours(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(HEADER.len() as u64).read_to_end(&mut start)?;
    Ok(start == HEADER.as_bytes())
}

#[cfg(test)]
mod tests {
    use tidegate_controlplane_compile::{ObjectStatus, Phase};

    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new(Kind::McpGroup, "team", name)
    }

    #[test]
    fn a_status_is_replaced_and_removed_and_what_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/status");
        let writer = DirWriter::open(root.clone()).unwrap();
        let group = root.join("team/MCPGroup");
        for phase in [Phase::Pending, Phase::Ready] {
            writer.put(&object("tools"), &Status::of(&ObjectStatus::new(phase, "words"))).unwrap();
        }
        let text = fs::read_to_string(group.join("tools.yaml")).unwrap();
        let body = "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPGroup\nmetadata:\n  name: tools\n  \
                    namespace: team\nstatus:\n  phase: Ready\n  message: words\n  conditions: []\n";
        assert_eq!(text, format!("{HEADER}{body}"));
        assert_eq!(names(&group).unwrap(), ["tools.yaml"], "no temporary file is left");

        fs::write(group.join("mine.yaml"), "kind: MCPGroup\n").unwrap();
        assert_eq!(writer.left().unwrap(), [object("tools")]);
        writer.remove(&object("tools")).unwrap();
        writer.remove(&object("tools")).unwrap();
        assert_eq!(names(&group).unwrap(), ["mine.yaml"]);
        fs::remove_file(group.join("mine.yaml")).unwrap();
        writer.remove(&object("tools")).unwrap();
        assert!(root.exists() && !root.join("team").exists());
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let writer = DirWriter::open(dir.path().into()).unwrap();
        let status = Status::of(&ObjectStatus::default());
        for name in ["", "..", "../x", ".hidden", "a/b"] {
            assert!(writer.put(&object(name), &status).is_err(), "{name}");
        }
    }
}

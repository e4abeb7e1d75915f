//! The files below the root: found anew at each call, read again only when they changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::markdown::{self, Section};
use super::rank::{self, Words};

/// Larger files are left out.
const MAX_FILE: u64 = 1 << 20;
const MAX_FILES: usize = 2_000;
/// Folders below the root.
const MAX_DEPTH: usize = 12;
/// Folders of generated or foreign text.
const SKIPPED: [&str; 3] = ["target", "node_modules", "vendor"];

/// The documents of one folder.
pub(super) struct Library {
    root: PathBuf,
    read: Mutex<BTreeMap<String, (Stamp, Arc<File>)>>,
}

/// One document.
pub(super) struct File {
    /// Path below the root, with `/`.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) sections: Vec<Section>,
    /// The words of each section.
    pub(super) words: Vec<Words>,
}

/// What tells that a file changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Library {
    /// Of an existing folder.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{}", root.display())));
        }
        Ok(Self { root, read: Mutex::default() })
    }

    /// All documents as they are now, by name.
    pub(super) fn files(&self) -> Result<Vec<Arc<File>>, String> {
        let mut found = BTreeMap::new();
        find(&self.root, "", 0, &mut found)
            .map_err(|e| format!("the documents cannot be read: {}", e.kind()))?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|name, _| found.contains_key(name));
        for (name, stamp) in found {
            if read.get(&name).is_some_and(|(was, _)| *was == stamp) {
                continue;
            }
            match load(&self.root, &name) {
                Ok(file) => read.insert(name, (stamp, Arc::new(file))),
                // gone again, or not text: not a document
                Err(_) => read.remove(&name),
            };
        }
        Ok(read.values().map(|(_, file)| file.clone()).collect())
    }
}

/// Collects `*.md` below a folder. Links are not followed: they could lead out of it.
fn find(dir: &Path, prefix: &str, depth: usize, found: &mut BTreeMap<String, Stamp>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || found.len() >= MAX_FILES {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < MAX_DEPTH && !SKIPPED.contains(&name.as_str()) {
            // a folder that may not be read hides its documents only
            let _ = find(&entry.path(), &format!("{prefix}{name}/"), depth + 1, found);
        } else if kind.is_file() && name.ends_with(".md") {
            let Ok(data) = entry.metadata() else { continue };
            if data.len() <= MAX_FILE {
                let stamp = Stamp { modified: data.modified().ok(), length: data.len() };
                found.insert(format!("{prefix}{name}"), stamp);
            }
        }
    }
    Ok(())
}

fn load(root: &Path, name: &str) -> io::Result<File> {
    let mut text = String::new();
    fs::File::open(root.join(name))?.take(MAX_FILE).read_to_string(&mut text)?;
    let sections = markdown::sections(&text);
    let words = sections.iter().map(|s| rank::count(&text[s.bytes.clone()])).collect();
    Ok(File { name: name.into(), text, sections, words })
}

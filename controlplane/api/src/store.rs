//! The last good documents of many files. What cannot be read changes nothing: a file that is broken keeps the
//! documents it last had, a document that is broken keeps its last good version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::document::Document;
use crate::meta::ObjectRef;
use crate::read::{Failure, Reading, read};

/// Files by name, and what is taken from each.
#[derive(Clone, Debug, Default)]
pub struct Store {
    files: BTreeMap<Arc<str>, File>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct File {
    documents: Vec<Arc<Document>>,
    diagnostics: Vec<Diagnostic>,
    /// Objects whose document is broken and that have no earlier version here.
    unreadable: BTreeSet<ObjectRef>,
}

impl Store {
    /// Without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over a file's new content, or its removal. True when documents or diagnostics changed.
    pub fn update(&mut self, file: &str, bytes: Option<&[u8]>) -> bool {
        match bytes {
            None => self.files.remove(file).is_some(),
            Some(bytes) => self.apply(file, read(file, bytes)),
        }
    }

    /// Takes over what a caller has read itself, or failed to: see [`Store::unreadable_file`].
    pub fn apply(&mut self, file: &str, reading: Reading) -> bool {
        let previous = self.files.remove(file).unwrap_or_default();
        let next = merge(file, &previous, reading);
        let changed = next != previous;
        self.files.insert(file.into(), next);
        changed
    }

    /// A file that exists but whose bytes could not be had (no permission, too large to load): it keeps what it had.
    pub fn unreadable_file(&mut self, file: &str, code: &'static str, message: &str, remedy: &str) -> bool {
        let diagnostic = about_file(file, Severity::Error, code, message.to_owned(), remedy.to_owned());
        let (diagnostics, failures) = (vec![diagnostic], vec![Failure::File]);
        self.apply(file, Reading { diagnostics, failures, ..Reading::default() })
    }

    /// The documents to be served, in the order of files and of documents in them.
    pub fn documents(&self) -> impl Iterator<Item = &Arc<Document>> {
        self.files.values().flat_map(|file| &file.documents)
    }

    /// Objects that exist but of which no version could be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &ObjectRef> {
        self.files.values().flat_map(|file| &file.unreadable)
    }

    /// What is to be said about the files, in order.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.files.values().flat_map(|file| &file.diagnostics)
    }

    /// Names of the files, in order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(|name| &**name)
    }
}

fn merge(file: &str, previous: &File, reading: Reading) -> File {
    let Reading { documents, mut diagnostics, mut failures, blank } = reading;
    if blank && !previous.documents.is_empty() {
        diagnostics.push(about_file(
            file,
            Severity::Error,
            "empty-file",
            "the file is empty, though it had objects".to_owned(),
            "restore its content; to remove the objects, delete the file".to_owned(),
        ));
        failures.push(Failure::File);
    }
    let mut next = File { diagnostics, ..File::default() };
    if failures.contains(&Failure::File) {
        if let [only] = previous.documents.as_slice() {
            // which object is meant cannot be read, but known
            let nameless =
                next.diagnostics.iter_mut().filter(|found| found.is_error() && found.object.is_none());
            nameless.for_each(|found| found.object = Some(only.object_ref.clone()));
        }
        next.documents.clone_from(&previous.documents);
        next.unreadable.clone_from(&previous.unreadable);
    } else {
        let broken: BTreeSet<_> = failures.into_iter().filter_map(object).collect();
        let held = previous.documents.iter().filter(|document| broken.contains(&document.object_ref));
        let held: Vec<_> = held.cloned().collect();
        let has_version = |object: &ObjectRef| held.iter().any(|document| document.object_ref == *object);
        next.unreadable = broken.iter().filter(|object| !has_version(object)).cloned().collect();
        next.documents.extend(documents.into_iter().map(Arc::new));
        next.documents.extend(held.iter().cloned());
        note_held(file, &held, &mut next.diagnostics);
        return next;
    }
    note_held(file, &next.documents, &mut next.diagnostics);
    next
}

fn object(failure: Failure) -> Option<ObjectRef> {
    match failure {
        Failure::Object(object) => Some(object),
        Failure::File => None,
    }
}

fn note_held(file: &str, held: &[Arc<Document>], diagnostics: &mut Vec<Diagnostic>) {
    if held.is_empty() {
        return;
    }
    let names: Vec<_> = held.iter().map(|document| document.object_ref.to_string()).collect();
    diagnostics.push(about_file(
        file,
        Severity::Info,
        "last-good-kept",
        format!("the last good version stays in effect of {}", names.join(", ")),
        "repair the errors reported for this file".to_owned(),
    ));
}

fn about_file(
    file: &str,
    severity: Severity,
    code: &'static str,
    message: String,
    remedy: String,
) -> Diagnostic {
    let source = Some(Source { file: file.into(), line: 1, column: 1 });
    Diagnostic { severity, code, object: None, source, field: None, message, remedy }
}

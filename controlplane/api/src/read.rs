//! One file's bytes to documents and diagnostics. All problems of a document are reported where that is
//! possible, not only the first.

mod complaint;
mod envelope;
mod nearest;
mod recover;
mod text;

use std::sync::Arc;

pub(crate) use complaint::Complaint;

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::document::Document;
use crate::meta::ObjectRef;
use crate::yaml::{self, Flaw, Mark, Tree};

/// Files above this size are refused.
pub const MAX_FILE_BYTES: usize = 4 << 20;
/// Problems reported per document; more would not help anybody.
pub(crate) const MAX_PROBLEMS: usize = 50;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The objects that are well-formed, in the order of the file.
    pub documents: Vec<Document>,
    /// What is to be said about the file.
    pub diagnostics: Vec<Diagnostic>,
    /// What could not be taken over.
    pub failures: Vec<Failure>,
    /// The file holds nothing, not even a comment.
    pub blank: bool,
}

/// A part of a file that could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// It cannot be told which objects are concerned: it may be any of the file.
    File,
    /// This object, whose kind and name are legible.
    Object(ObjectRef),
}

/// Reads a file: YAML or JSON, any number of documents, lists included. `file` is used in positions only.
pub fn read(file: &str, bytes: &[u8]) -> Reading {
    let mut reader = Reader { file: file.into(), reading: Reading::default() };
    match text::decode(bytes) {
        Ok(text) => {
            reader.reading.blank = text.trim().is_empty();
            reader.stream(&yaml::parse(text));
        }
        Err(flaw) => reader.fatal(&flaw),
    }
    Diagnostic::sort(&mut reader.reading.diagnostics);
    reader.reading
}

pub(crate) struct Reader {
    file: Arc<str>,
    reading: Reading,
}

impl Reader {
    fn stream(&mut self, stream: &yaml::Stream) {
        for tree in &stream.trees {
            self.tree(tree);
        }
        if let Some(flaw) = &stream.fatal {
            self.fatal(flaw);
        }
    }

    fn tree(&mut self, tree: &Tree) {
        if tree.value.is_null() && tree.flaws.is_empty() {
            return;
        }
        let object = envelope::identify(&tree.value);
        for flaw in &tree.flaws {
            self.flaw(flaw, object.clone());
        }
        if tree.flaws.is_empty() {
            envelope::document(self, &tree.value, &tree.spot);
        } else {
            self.reading.failures.push(object.map_or(Failure::File, Failure::Object));
        }
    }

    fn fatal(&mut self, flaw: &Flaw) {
        self.flaw(flaw, None);
        self.reading.failures.push(Failure::File);
    }

    fn flaw(&mut self, flaw: &Flaw, object: Option<ObjectRef>) {
        let complaint =
            Complaint { code: flaw.code, message: flaw.message.clone(), remedy: flaw.remedy.to_owned() };
        self.say(Severity::Error, object, flaw.at, None, complaint);
    }

    fn say(
        &mut self,
        severity: Severity,
        object: Option<ObjectRef>,
        at: Mark,
        field: Option<String>,
        complaint: Complaint,
    ) {
        let source = Some(Source { file: Arc::clone(&self.file), line: at.line, column: at.column });
        let Complaint { code, message, remedy } = complaint;
        self.reading.diagnostics.push(Diagnostic { severity, code, object, source, field, message, remedy });
    }
}

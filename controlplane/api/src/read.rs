//! One file's bytes, or one object of an API server, to documents and diagnostics. All problems of a document are reported where that is
//! possible, not only the first.

mod complaint;
mod envelope;
mod manifest;
mod nearest;
mod recover;
mod text;

use std::sync::Arc;

pub(crate) use complaint::Complaint;
pub use manifest::{Manifest, manifests};

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Severity};
use crate::document::Document;
use crate::meta::ObjectRef;
use crate::yaml::{self, Flaw, Mark, Spot, Tree};

/// Files above this size are refused.
pub const MAX_FILE_BYTES: usize = 4 << 20;
/// Problems reported per document; more would not help anybody.
pub(crate) const MAX_PROBLEMS: usize = 50;

/// What a file, or an API server's answer, holds.
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
    let mut reader = Reader { file: Some(file.into()), reading: Reading::default() };
    match text::decode(bytes) {
        Ok(text) => {
            reader.reading.blank = text.trim().is_empty();
            reader.stream(&yaml::parse(text));
        }
        Err(flaw) => reader.fatal(&flaw),
    }
    reader.finish()
}

/// Reads one object as an API server gives it. Its diagnostics have no `source`, its document no place.
pub fn read_object(value: &Value) -> Reading {
    let mut reader = Reader { file: None, reading: Reading::default() };
    envelope::document(&mut reader, &without_records(value), &Spot::NOWHERE);
    reader.finish()
}

/// A copy without what may be large and is never read here: the status, and who applied which field.
fn without_records(value: &Value) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let kept = fields.iter().filter(|(name, _)| *name != "status");
    let mut kept: Map<_, _> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(Value::Object(metadata)) = kept.get_mut("metadata") {
        metadata.shift_remove("managedFields");
    }
    Value::Object(kept)
}

pub(crate) struct Reader {
    /// Absent for an object of an API server.
    file: Option<Arc<str>>,
    reading: Reading,
}

impl Reader {
    fn finish(mut self) -> Reading {
        Diagnostic::sort(&mut self.reading.diagnostics);
        self.reading
    }

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
        let source = self.file.as_ref().map(|file| at.within(file));
        let Complaint { code, message, remedy } = complaint;
        self.reading.diagnostics.push(Diagnostic { severity, code, object, source, field, message, remedy });
    }
}

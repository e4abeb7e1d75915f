//! One object as read from a file, with the position of each of its fields.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::meta::{ObjectMeta, ObjectRef};
use crate::types::{
    McpGroupSpec, McpRemoteProxySpec, McpServerEntrySpec, McpServerSpec, VirtualMcpServerSpec,
};
use crate::yaml::{Segment, Spot};

/// An object of one of the kinds, without its status: that is written here, never read.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource<S> {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec`.
    pub spec: S,
}

/// The typed content of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// Spec 1.1.
    Group(Box<Resource<McpGroupSpec>>),
    /// Spec 1.2.
    Server(Box<Resource<McpServerSpec>>),
    /// Spec 1.3.
    RemoteProxy(Box<Resource<McpRemoteProxySpec>>),
    /// Spec 1.4.
    Entry(Box<Resource<McpServerEntrySpec>>),
    /// Spec 1.5.
    VirtualServer(Box<Resource<VirtualMcpServerSpec>>),
}

/// One object and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Which object.
    pub object_ref: ObjectRef,
    /// Its content. Two documents say the same if their objects are equal.
    pub object: Object,
    /// The file it stands in.
    pub file: Arc<str>,
    pub(crate) spot: Spot,
}

impl Object {
    /// `metadata`.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Object::Group(object) => &object.metadata,
            Object::Server(object) => &object.metadata,
            Object::RemoteProxy(object) => &object.metadata,
            Object::Entry(object) => &object.metadata,
            Object::VirtualServer(object) => &object.metadata,
        }
    }
}

impl Document {
    /// Line and column, counted from 1, of a field given as a path such as `spec.config.backends[0].url`; of
    /// the nearest enclosing field that exists when the field itself is absent.
    pub fn locate(&self, field: &str) -> (u32, u32) {
        let mark = self.spot.locate(&Segment::parse(field));
        (mark.line, mark.column)
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.object.metadata().annotations.get(name).map(String::as_str)
    }

    /// A finding about this object; an empty `field` means all of it.
    pub fn diagnose(
        &self,
        severity: Severity,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Diagnostic {
        let (line, column) = self.locate(field);
        Diagnostic {
            severity,
            code,
            object: Some(self.object_ref.clone()),
            source: Some(Source { file: Arc::clone(&self.file), line, column }),
            field: (!field.is_empty()).then(|| field.to_owned()),
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

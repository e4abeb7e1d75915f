//! One object as it was read: from a file, with the position of each of its fields, or from an API server.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::meta::{ObjectMeta, ObjectRef};
use crate::types::{
    CompositeTool, McpAuthzConfigSpec, McpExternalAuthConfigSpec, McpGroupSpec, McpOidcConfigSpec,
    McpRemoteProxySpec, McpServerEntrySpec, McpServerSpec, McpTelemetryConfigSpec, McpToolConfigSpec,
    VirtualMcpServerSpec,
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
    /// Spec 1.6.
    CompositeToolDefinition(Box<Resource<CompositeTool>>),
    /// Spec 1.7.
    OidcConfig(Box<Resource<McpOidcConfigSpec>>),
    /// Spec 1.8.
    ExternalAuthConfig(Box<Resource<McpExternalAuthConfigSpec>>),
    /// Spec 1.9.
    AuthzConfig(Box<Resource<McpAuthzConfigSpec>>),
    /// Spec 1.10.
    ToolConfig(Box<Resource<McpToolConfigSpec>>),
    /// Spec 1.11.
    TelemetryConfig(Box<Resource<McpTelemetryConfigSpec>>),
}

/// One object and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Which object.
    pub object_ref: ObjectRef,
    /// Its content. Two documents say the same if their objects are equal.
    pub object: Object,
    /// Where it stands; absent for an object that came from an API server.
    pub(crate) place: Option<Place>,
}

/// A document's place in a file, and the places of its fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
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
            Object::CompositeToolDefinition(object) => &object.metadata,
            Object::OidcConfig(object) => &object.metadata,
            Object::ExternalAuthConfig(object) => &object.metadata,
            Object::AuthzConfig(object) => &object.metadata,
            Object::ToolConfig(object) => &object.metadata,
            Object::TelemetryConfig(object) => &object.metadata,
        }
    }
}

impl Document {
    /// The place of a field given as a path such as `spec.config.backends[0].url`, or of the nearest enclosing
    /// field that exists when the field itself is absent; none for an object that did not come from a file.
    pub fn locate(&self, field: &str) -> Option<Source> {
        let Place { file, spot } = self.place.as_ref()?;
        Some(spot.locate(&Segment::parse(field)).within(file))
    }

    /// Whether its deletion has been asked for (`metadata.deletionTimestamp`).
    pub fn is_deleting(&self) -> bool {
        self.object.metadata().deletion_timestamp.is_some()
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
        Diagnostic {
            severity,
            code,
            object: Some(self.object_ref.clone()),
            source: self.locate(field),
            field: (!field.is_empty()).then(|| field.to_owned()),
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

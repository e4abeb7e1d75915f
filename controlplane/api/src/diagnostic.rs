//! What is wrong with a manifest, said so that it can be repaired: where, which object, which field, what to do.

use std::fmt;
use std::sync::Arc;

use crate::meta::ObjectRef;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The object is not taken over as written.
    Error,
    /// The object is taken over, something in it has no effect.
    Warning,
    /// Worth knowing.
    Info,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The name under which the file was read.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Stable name in kebab-case, for scripts and documentation.
    pub code: &'static str,
    /// The object concerned; absent when it cannot be told.
    pub object: Option<ObjectRef>,
    /// Where it stands; absent for objects that did not come from a file.
    pub source: Option<Source>,
    /// Path of the field, as in `spec.groupRef.name`.
    pub field: Option<String>,
    /// What is wrong, in plain words.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Severity {
    /// Lower-case word: `error`, `warning` or `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

impl Diagnostic {
    /// The order in which diagnostics are shown: by place, then by severity and content.
    pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.sort_by(|a, b| a.order().cmp(&b.order()));
        diagnostics.dedup();
    }

    /// Whether the object is refused because of this.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn order(&self) -> impl Ord + '_ {
        (&self.source, &self.object, self.severity, self.code, &self.field, &self.message)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Display for Diagnostic {
    /// Like a compiler's message: `file:line:column: error[code]: Kind namespace/name: field: message; remedy: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{source}: ")?;
        }
        write!(f, "{}[{}]: ", self.severity, self.code)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}; remedy: {}", self.message, self.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Kind;

    #[test]
    fn a_diagnostic_reads_like_a_compilers_message() {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: "unknown-field",
            object: Some(ObjectRef::new(Kind::VirtualMcpServer, "default", "demo")),
            source: Some(Source { file: "quickstart.yaml".into(), line: 12, column: 3 }),
            field: Some("spec.groupReff".to_owned()),
            message: "no such field".to_owned(),
            remedy: "did you mean groupRef?".to_owned(),
        };
        assert_eq!(
            diagnostic.to_string(),
            "quickstart.yaml:12:3: error[unknown-field]: VirtualMCPServer default/demo: spec.groupReff: \
             no such field; remedy: did you mean groupRef?"
        );
    }
}

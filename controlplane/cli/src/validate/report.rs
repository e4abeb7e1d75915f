//! Findings as text like a compiler's, or as JSON.

use serde::Serialize;
use tidegate_controlplane_api::{Diagnostic, Severity};

use super::dry_run::Count;
use super::input::Findings;
use crate::paint::Paint;

/// The form of `-o json`. Its field names are a promise to scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    diagnostics: Vec<Finding>,
    errors: usize,
    warnings: usize,
    virtual_servers: usize,
    backends: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Count>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    severity: &'static str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Object>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    message: String,
    remedy: String,
}

#[derive(Serialize)]
struct Object {
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Serialize)]
struct Place {
    file: String,
    line: u32,
    column: u32,
}

impl Report {
    /// Of all findings.
    pub(crate) fn new(findings: Findings) -> Self {
        let count = |severity| findings.diagnostics.iter().filter(|d| d.severity == severity).count();
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            virtual_servers: findings.virtual_servers,
            backends: findings.backends,
            cluster: findings.cluster,
            diagnostics: findings.diagnostics.into_iter().map(Finding::from).collect(),
        }
    }

    /// Whether something is not served as written.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// A block per finding, then the summary.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let blocks: String = self.diagnostics.iter().map(|finding| finding.text(paint) + "\n").collect();
        let served = format!(
            "{} and {} to serve",
            count(self.virtual_servers, "virtual server"),
            count(self.backends, "backend")
        );
        let found = format!("{}, {}", count(self.errors, "error"), count(self.warnings, "warning"));
        let found = match (self.errors, self.warnings) {
            (0, 0) => found,
            (0, _) => paint.yellow(&found),
            _ => paint.red(&found),
        };
        let taken = match self.cluster {
            Some(Count { asked, accepted }) => {
                format!("; the cluster takes {accepted} of {}", count(asked, "object"))
            }
            None => String::new(),
        };
        format!("{blocks}{found}; {served}{taken}\n")
    }
}

impl Finding {
    /// `place: severity[code]: message`, then object, field and remedy.
    fn text(&self, paint: Paint) -> String {
        let severity = format!("{}[{}]:", self.severity, self.code);
        let severity = match self.severity {
            "error" => paint.red(&severity),
            "warning" => paint.yellow(&severity),
            _ => paint.cyan(&severity),
        };
        let place =
            self.place.as_ref().map(|place| format!("{}:{}:{}: ", place.file, place.line, place.column));
        let mut text = format!("{}{severity} {}\n", paint.bold(&place.unwrap_or_default()), self.message);
        if let Some(Object { kind, namespace, name }) = &self.object {
            text += &format!("  {} {kind} {namespace}/{name}\n", paint.dim("object:"));
        }
        if let Some(field) = &self.field {
            text += &format!("  {}  {field}\n", paint.dim("field:"));
        }
        text + &format!("  {} {}\n", paint.cyan("remedy:"), self.remedy)
    }
}

impl From<Diagnostic> for Finding {
    fn from(diagnostic: Diagnostic) -> Self {
        let object = diagnostic.object.map(|object| Object {
            kind: object.kind.to_string(),
            namespace: object.namespace.to_string(),
            name: object.name.to_string(),
        });
        let place = diagnostic.source.map(|source| Place {
            file: source.file.to_string(),
            line: source.line,
            column: source.column,
        });
        Self {
            severity: diagnostic.severity.as_str(),
            code: diagnostic.code,
            object,
            place,
            field: diagnostic.field,
            message: diagnostic.message,
            remedy: diagnostic.remedy,
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use tidegate_controlplane_api::{Kind, ObjectRef, Source};

    use super::*;

    fn report(severity: Severity) -> Report {
        let diagnostic = Diagnostic {
            severity,
            code: "unknown-field",
            object: Some(ObjectRef::new(Kind::McpGroup, "default", "tools")),
            source: Some(Source { file: "a.yaml".into(), line: 4, column: 3 }),
            field: Some("spec.descripton".into()),
            message: "no such field".into(),
            remedy: "did you mean description?".into(),
        };
        Report::new(Findings {
            diagnostics: vec![diagnostic],
            virtual_servers: 1,
            backends: 2,
            cluster: None,
        })
    }

    #[test]
    fn text_reads_like_a_compilers_messages() {
        let expected = "\
a.yaml:4:3: error[unknown-field]: no such field
  object: MCPGroup default/tools
  field:  spec.descripton
  remedy: did you mean description?

1 error, 0 warnings; 1 virtual server and 2 backends to serve
";
        assert_eq!(report(Severity::Error).text(Paint::off()), expected);
        assert!(report(Severity::Error).has_errors());
    }

    #[test]
    fn warnings_are_no_errors() {
        assert!(!report(Severity::Warning).has_errors());
    }

    #[test]
    fn json_names_every_part() {
        let json = serde_json::to_value(report(Severity::Error)).unwrap();
        let expected = serde_json::json!({
            "diagnostics": [{
                "severity": "error", "code": "unknown-field",
                "object": {"kind": "MCPGroup", "namespace": "default", "name": "tools"},
                "file": "a.yaml", "line": 4, "column": 3,
                "field": "spec.descripton", "message": "no such field", "remedy": "did you mean description?",
            }],
            "errors": 1, "warnings": 0, "virtualServers": 1, "backends": 2,
        });
        assert_eq!(json, expected);
    }
}

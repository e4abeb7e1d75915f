//! Diagnostics in the log: once when they appear and once when they are gone, so that the log tells a story of changes
//! and not of repetitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controlplane_api::{Diagnostic, Severity};

/// Lines per step; a directory full of mistakes is listed by `tidegate validate`.
const MAX_LINES: usize = 100;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Journal {
    said: BTreeMap<Topic, Diagnostic>,
}

/// What makes two diagnostics the same finding. Not the line: it moves when something above is edited.
type Topic = (Option<Arc<str>>, Option<String>, &'static str, Option<String>, String);

/// What differs from what was said.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) appeared: Vec<Diagnostic>,
    pub(super) gone: Vec<Diagnostic>,
}

impl Journal {
    /// Takes the diagnostics of this step.
    pub(super) fn update(&mut self, diagnostics: &[Diagnostic]) -> News {
        let now: BTreeMap<Topic, Diagnostic> = diagnostics.iter().map(|d| (topic(d), d.clone())).collect();
        let before = std::mem::replace(&mut self.said, now);
        let absent = |from: &BTreeMap<Topic, Diagnostic>, of: &BTreeMap<Topic, Diagnostic>| {
            from.iter().filter(|(t, _)| !of.contains_key(*t)).map(|(_, d)| d.clone()).collect()
        };
        News { appeared: absent(&self.said, &before), gone: absent(&before, &self.said) }
    }
}

impl News {
    /// Writes the log lines.
    pub(super) fn log(&self) {
        for d in self.appeared.iter().take(MAX_LINES) {
            // The level is part of the macro's call site, hence two calls.
            match d.severity {
                Severity::Error | Severity::Warning => {
                    tracing::warn!(severity = d.severity.as_str(), code = d.code, diagnostic = %d, "manifest problem");
                }
                Severity::Info => tracing::info!(code = d.code, diagnostic = %d, "manifest note"),
            }
        }
        for d in self.gone.iter().take(MAX_LINES) {
            tracing::info!(code = d.code, diagnostic = %d, "manifest problem gone");
        }
        let unsaid =
            self.appeared.len().saturating_sub(MAX_LINES) + self.gone.len().saturating_sub(MAX_LINES);
        if unsaid > 0 {
            tracing::warn!(unsaid, "more manifest problems came or went than are logged");
        }
    }
}

fn topic(d: &Diagnostic) -> Topic {
    let file = d.source.as_ref().map(|s| Arc::clone(&s.file));
    (file, d.object.as_ref().map(ToString::to_string), d.code, d.field.clone(), d.message.clone())
}

#[cfg(test)]
mod tests {
    use tidegate_controlplane_api::Source;

    use super::*;

    fn finding(line: u32, message: &str) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "syntax",
            object: None,
            source: Some(Source { file: "a.yaml".into(), line, column: 1 }),
            field: None,
            message: message.into(),
            remedy: String::new(),
        }
    }

    fn check(journal: &mut Journal, now: &[Diagnostic], appeared: &[&str], gone: &[&str]) {
        let news = journal.update(now);
        let messages = |of: &[Diagnostic]| of.iter().map(|d| d.message.clone()).collect::<Vec<_>>();
        assert_eq!(messages(&news.appeared), appeared);
        assert_eq!(messages(&news.gone), gone);
    }

    #[test]
    fn a_finding_is_said_once_and_taken_back_once() {
        let mut journal = Journal::default();
        check(&mut journal, &[finding(1, "a")], &["a"], &[]);
        check(&mut journal, &[finding(7, "a")], &[], &[]);
        check(&mut journal, &[finding(7, "a"), finding(1, "b")], &["b"], &[]);
        check(&mut journal, &[finding(1, "b")], &[], &["a"]);
        check(&mut journal, &[], &[], &["b"]);
    }
}

//! What is wrong with the manifests, said once when it comes and once when it goes.

use std::collections::BTreeSet;

use tidegate_proto::wire::{Diagnostic, StateReply};

/// The problems said so far.
#[derive(Default)]
pub(crate) struct Problems {
    said: BTreeSet<String>,
}

/// One line for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// A problem with its place and remedy, or that it is gone.
    pub(crate) text: String,
    /// Whether something is not served as written.
    pub(crate) bad: bool,
}

impl Problems {
    /// What is new since the last state.
    pub(crate) fn step(&mut self, state: &StateReply) -> Vec<Said> {
        let now: BTreeSet<String> = state.diagnostics.iter().map(line).collect();
        let is_bad = |text: &str| text.contains("error[");
        let mut lines: Vec<Said> = Vec::new();
        for gone in self.said.difference(&now).filter(|text| is_bad(text)) {
            let what = gone.split_once("; remedy: ").map_or(gone.as_str(), |(what, _)| what);
            lines.push(Said { text: format!("no longer: {what}"), bad: false });
        }
        for new in now.difference(&self.said) {
            lines.push(Said { text: new.clone(), bad: is_bad(new) });
        }
        self.said = now;
        lines
    }
}

fn line(diagnostic: &Diagnostic) -> String {
    let Diagnostic { severity, code, object, file, line, column, field, message, remedy } = diagnostic;
    let place = if file.is_empty() { String::new() } else { format!("{file}:{line}:{column}: ") };
    let named = |text: &str| if text.is_empty() { String::new() } else { format!("{text}: ") };
    format!("{place}{severity}[{code}]: {}{}{message}; remedy: {remedy}", named(object), named(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(severities: &[&str]) -> StateReply {
        let diagnostic = |severity: &&str| Diagnostic {
            severity: (*severity).into(),
            code: "bad".into(),
            file: "a.yaml".into(),
            line: 1,
            column: 2,
            message: "wrong".into(),
            remedy: "repair it".into(),
            ..Default::default()
        };
        StateReply { diagnostics: severities.iter().map(diagnostic).collect(), ..Default::default() }
    }

    #[test]
    fn problems_are_said_when_they_come_and_errors_when_they_go() {
        let mut problems = Problems::default();
        let said = |text: &str, bad| Said { text: text.into(), bad };
        let error = said("a.yaml:1:2: error[bad]: wrong; remedy: repair it", true);
        let warning = said("a.yaml:1:2: warning[bad]: wrong; remedy: repair it", false);
        assert_eq!(problems.step(&state(&["error", "warning"])), [error, warning]);
        assert_eq!(problems.step(&state(&["error", "warning"])), []);
        assert_eq!(problems.step(&state(&[])), [said("no longer: a.yaml:1:2: error[bad]: wrong", false)]);
    }
}

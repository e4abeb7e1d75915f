//! Findings about one object, and what they mean for it.

use tidegate_controlplane_api::{Diagnostic, Document, Severity};

use crate::compiled::{Hold, Withheld};

/// Collects what is said about one object.
pub(crate) struct Report<'a> {
    pub(crate) document: &'a Document,
    diagnostics: &'a mut Vec<Diagnostic>,
    withheld: Option<Withheld>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(document: &'a Document, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        Self { document, diagnostics, withheld: None }
    }

    /// A mistake: what was served before goes on.
    pub(crate) fn invalid(
        &mut self,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.withhold(Hold::KeepPrevious, code, field, message.into(), remedy.into());
    }

    /// Serving this would be weaker than what is written: it fails closed.
    pub(crate) fn refuse(
        &mut self,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.withhold(Hold::Remove, code, field, message.into(), remedy.into());
    }

    /// An error that concerns a part of the object only.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.say(Severity::Error, code, field, message.into(), remedy.into());
    }

    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.say(Severity::Warning, code, field, message.into(), remedy.into());
    }

    /// A feature that is accepted, and without which the object is served.
    pub(crate) fn not_served(&mut self, field: &str, feature: &str) {
        let message = format!("{feature}: not served yet; the rest is served without it");
        self.warn("not-served", field, message, "nothing to do, or remove it if you rely on it");
    }

    /// A field that is accepted, and of which the purpose is met in another way.
    pub(crate) fn no_effect(&mut self, field: &str, why: &str) {
        let message = format!("has no effect: {why}");
        self.say(Severity::Info, "no-effect", field, message, "nothing to do".to_owned());
    }

    /// Why the object is withheld, if it is. Of several reasons, the first of the strictest.
    pub(crate) fn withheld(&self) -> Option<&Withheld> {
        self.withheld.as_ref()
    }

    fn withhold(&mut self, hold: Hold, code: &'static str, field: &str, message: String, remedy: String) {
        if self.withheld.as_ref().is_none_or(|withheld| withheld.hold < hold) {
            self.withheld = Some(Withheld { hold, reason: message.clone() });
        }
        self.say(Severity::Error, code, field, message, remedy);
    }

    fn say(&mut self, severity: Severity, code: &'static str, field: &str, message: String, remedy: String) {
        self.diagnostics.push(self.document.diagnose(severity, code, field, message, remedy));
    }
}

//! Colours, where they are wanted.

use std::io::IsTerminal;

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For a stream: colours only on a terminal, not on a dumb one, and not when NO_COLOR is set (no-color.org).
    pub(crate) fn for_stream(stream: &impl IsTerminal) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { on: stream.is_terminal() && !no_color && !dumb }
    }

    /// Never any colour.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self { on: false }
    }

    /// Whether there are colours.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Errors.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// Warnings.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("1;33", text)
    }

    /// Remedies and names.
    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// What matters less.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

//! What is wrong with one value, as it travels through serde's error texts.

use std::fmt;

/// Code, message and remedy of a diagnostic. `Display` is a transport form that [`Complaint::parse`] reads back:
/// serde errors carry only text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// Cannot stand in a message: control characters are refused before the YAML is read.
const SEPARATOR: char = '\u{1f}';
/// The codes that deserializers here use.
const CODES: [&str; 4] = ["bad-duration", "bad-value", "missing-field", "bad-url"];

impl Complaint {
    /// Reads back what `Display` wrote; absent for texts from elsewhere.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(SEPARATOR);
        let (code, message, remedy) = (parts.next()?, parts.next()?, parts.next()?);
        let code = CODES.into_iter().find(|known| *known == code)?;
        Some(Self { code, message: message.to_owned(), remedy: remedy.to_owned() })
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}{SEPARATOR}{}", self.code, self.message, self.remedy)
    }
}

//! Bytes to text, naming what is not text.

use crate::yaml::{Flaw, Mark};

use super::MAX_FILE_BYTES;

/// The text of a file without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Flaw> {
    let start = Mark { line: 1, column: 1 };
    if bytes.len() > MAX_FILE_BYTES {
        let message =
            format!("the file has {} bytes, more than the {MAX_FILE_BYTES} that are read", bytes.len());
        return Err(flaw(start, "file-too-large", message, "split it, or move it out of the directory"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = "the file is UTF-16".to_owned();
        return Err(flaw(start, "not-utf8", message, "save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        let message = "the file is binary: it contains a NUL byte".to_owned();
        return Err(flaw(position(bytes, at), "binary-file", message, "keep only YAML and JSON files here"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message = "the file is not UTF-8 text".to_owned();
        let at = position(bytes, error.valid_up_to());
        flaw(at, "not-utf8", message, "save it as UTF-8, or move it out of the directory")
    })?;
    match text.find(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')) {
        None => Ok(text),
        Some(at) => {
            let found = text[at..].chars().next().map_or(0, u32::from);
            let message = format!("the control character U+{found:04X} cannot stand in YAML");
            Err(flaw(position(bytes, at), "control-character", message, "remove it, or escape it in quotes"))
        }
    }
}

fn flaw(at: Mark, code: &'static str, message: String, remedy: &'static str) -> Flaw {
    Flaw { at, code, message, remedy }
}

/// Line and column of a byte; all before it is valid UTF-8 or counted per byte.
fn position(bytes: &[u8], at: usize) -> Mark {
    let before = &bytes[..at];
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    Mark { line: narrow(line), column: narrow(column) }
}

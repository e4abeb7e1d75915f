//! Machine-readable output.

use std::io::Write;

use anyhow::Context as _;
use serde::Serialize;

/// A form for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One indented JSON value.
    Json,
    /// One YAML document.
    Yaml,
}

/// Serialises with a line end.
pub(crate) fn text(format: Format, value: &impl Serialize) -> anyhow::Result<String> {
    let mut text = match format {
        Format::Json => serde_json::to_string_pretty(value).context("cannot write JSON")?,
        Format::Yaml => serde_saphyr::to_string(value).context("cannot write YAML")?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Prints to standard output; a reader that has left (`| head`) is not an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

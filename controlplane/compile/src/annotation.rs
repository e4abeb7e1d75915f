//! Annotations `tidegate.dev/*`: what the resources have no field for. All are optional; a wrong one is a mistake like that
//! of a field, so that what was served before goes on.

use std::time::Duration;

use tidegate_controlplane_api::{GoDuration, Kind};

use crate::report::Report;

pub(crate) const ENDPOINT: &str = "tidegate.dev/endpoint";
pub(crate) const COMMAND: &str = "tidegate.dev/command";
pub(crate) const MAX_CONNECTIONS: &str = "tidegate.dev/max-connections";
pub(crate) const MAX_REQUESTS: &str = "tidegate.dev/max-requests";
pub(crate) const MAX_PENDING: &str = "tidegate.dev/max-pending";
pub(crate) const LISTEN: &str = "tidegate.dev/listen";
pub(crate) const CONNECT_TIMEOUT: &str = "tidegate.dev/connect-timeout";
pub(crate) const IDLE_TIMEOUT: &str = "tidegate.dev/idle-timeout";
pub(crate) const TOOL_TIMEOUTS: &str = "tidegate.dev/tool-timeouts";
pub(crate) const BREAKER_SCOPE: &str = "tidegate.dev/breaker-scope";
pub(crate) const RETRY: &str = "tidegate.dev/retry";

const PREFIX: &str = "tidegate.dev/";

/// The annotations that are read of objects of a kind.
fn known(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::McpServer => &[ENDPOINT, COMMAND, MAX_CONNECTIONS, MAX_REQUESTS, MAX_PENDING],
        Kind::McpRemoteProxy | Kind::McpServerEntry => &[MAX_CONNECTIONS, MAX_REQUESTS, MAX_PENDING],
        Kind::VirtualMcpServer => {
            &[LISTEN, CONNECT_TIMEOUT, IDLE_TIMEOUT, TOOL_TIMEOUTS, BREAKER_SCOPE, RETRY]
        }
        _ => &[],
    }
}

/// Annotations of ours that mean nothing on this kind are mistakes.
pub(crate) fn check_known(report: &mut Report<'_>) {
    let known = known(report.document.object_ref.kind);
    for name in report.document.object.metadata().annotations.keys() {
        if name.starts_with(PREFIX) && !known.contains(&name.as_str()) {
            let remedy = match known {
                [] => "remove it: this kind has none".to_owned(),
                _ => format!("write one of {}", known.join(", ")),
            };
            report.warn("unknown-annotation", &field(name), "no such annotation on this kind", remedy);
        }
    }
}

/// An annotation as a diagnostic names it.
pub(crate) fn field(name: &str) -> String {
    format!("metadata.annotations[{name}]")
}

/// A duration above zero, if one is written.
pub(crate) fn duration(report: &mut Report<'_>, name: &str) -> Option<Duration> {
    let text = report.document.annotation(name)?;
    let duration = positive(text);
    if duration.is_none() {
        let message = format!("{name} must be a duration above zero, not {text:?}");
        let remedy = "write numbers with units (h, m, s, ms), such as 5s or 1m30s";
        report.invalid("bad-duration", &field(name), message, remedy);
    }
    duration
}

/// A duration above zero in Go's notation.
pub(crate) fn positive(text: &str) -> Option<Duration> {
    GoDuration::parse(text.trim()).filter(|duration| !duration.is_zero()).map(|duration| duration.0)
}

/// A whole number of at least `least`, if one is written.
pub(crate) fn count(report: &mut Report<'_>, name: &str, least: u32) -> Option<u32> {
    let text = report.document.annotation(name)?;
    let count = text.trim().parse().ok().filter(|count| *count >= least);
    if count.is_none() {
        let message = format!("{name} must be a whole number from {least} to {}, not {text:?}", u32::MAX);
        report.invalid("bad-value", &field(name), message, r#"write a number in quotes, such as "64""#);
    }
    count
}

/// Whether the second of two words is written; absent means the first.
pub(crate) fn is_second(report: &mut Report<'_>, name: &str, words: [&str; 2]) -> bool {
    let Some(text) = report.document.annotation(name) else { return false };
    let [first, second] = words;
    let word = text.trim();
    if word != first && word != second {
        let message = format!("{name} must be {first} or {second}, not {text:?}");
        let remedy = format!("correct it, or remove it: {first} is the default");
        report.invalid("bad-value", &field(name), message, remedy);
    }
    word == second
}

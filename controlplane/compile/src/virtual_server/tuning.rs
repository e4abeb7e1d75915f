//! Annotations of a VirtualMCPServer beyond the resources' own failure handling: bounds of parts of a call, what breakers
//! count for, what may be sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_proto::table::Timeouts;

use crate::annotation::{self, BREAKER_SCOPE, CONNECT_TIMEOUT, IDLE_TIMEOUT, RETRY, TOOL_TIMEOUTS};
use crate::report::Report;

/// Bounds beside that of whole calls.
pub(super) fn timeouts(report: &mut Report<'_>) -> Timeouts {
    Timeouts {
        connect: annotation::duration(report, CONNECT_TIMEOUT).unwrap_or(Timeouts::CONNECT),
        idle: annotation::duration(report, IDLE_TIMEOUT),
        tools: tools(report),
    }
}

/// Whether failures of calls count for the tool that was called.
pub(super) fn breaker_per_tool(report: &mut Report<'_>, breaker_enabled: bool) -> bool {
    let per_tool = annotation::is_second(report, BREAKER_SCOPE, ["backend", "tool"]);
    if per_tool && !breaker_enabled {
        let remedy =
            "add spec.config.operational.failureHandling.circuitBreaker: {enabled: true}, or remove it";
        let message = "there is no circuit breaker that it could apply to";
        report.warn("breaker-off", &annotation::field(BREAKER_SCOPE), message, remedy);
    }
    per_tool
}

/// Whether a call of a read-only or idempotent tool may be sent again when its outcome is not known.
pub(super) fn retry_idempotent(report: &mut Report<'_>) -> bool {
    annotation::is_second(report, RETRY, ["never-accepted", "idempotent"])
}

/// `tool=duration`, by exposed name, separated by commas or line ends.
fn tools(report: &mut Report<'_>) -> BTreeMap<String, Duration> {
    let mut tools = BTreeMap::new();
    let Some(text) = report.document.annotation(TOOL_TIMEOUTS) else { return tools };
    for pair in text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty()) {
        let problem = match tool(pair) {
            Ok((name, bound)) if !tools.contains_key(name) => {
                tools.insert(name.to_owned(), bound);
                continue;
            }
            Ok((name, _)) => format!("{TOOL_TIMEOUTS} names {name} twice"),
            Err(problem) => problem,
        };
        let remedy = "write TOOL=DURATION, as in search=1m30s, separated by commas or line ends";
        report.invalid("bad-tool-timeout", &annotation::field(TOOL_TIMEOUTS), problem, remedy);
    }
    tools
}

fn tool(pair: &str) -> Result<(&str, Duration), String> {
    let (name, duration) =
        pair.rsplit_once('=').ok_or_else(|| format!("{TOOL_TIMEOUTS}: {pair:?} is not TOOL=DURATION"))?;
    let name = name.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(format!("{TOOL_TIMEOUTS}: {pair:?} names no tool"));
    }
    let bound = annotation::positive(duration);
    bound
        .map(|bound| (name, bound))
        .ok_or_else(|| format!("{TOOL_TIMEOUTS}: {pair:?} has no duration above zero"))
}

//! Tables within descriptions.

use crate::resources::{Backend, Condition, Member, state_tone};
use crate::table::{Cell, Grid};

/// The backends of a virtual server as it sees them, their kinds and tools where `backends` are known; `ago` says how long
/// ago a time is.
pub(super) fn members(members: &[Member], backends: Option<&[Backend]>, ago: impl Fn(u64) -> String) -> Grid {
    let headers = ["NAME", "KIND", "STATUS", "BREAKER", "FAILURES", "CHECKED", "TOOLS", "URL", "MESSAGE"];
    let row = |member: &Member| {
        let backend = backends.unwrap_or_default().iter().find(|backend| backend.id == member.id);
        let breaker = member.circuit_breaker_state.as_str();
        [
            member.workload.as_str().into(),
            backend.map(|backend| backend.kind.as_str()).unwrap_or_default().into(),
            state(&member.status),
            state(if breaker.is_empty() { "-" } else { breaker }),
            member.consecutive_failures.to_string().into(),
            ago(member.checked_unix_ms).into(),
            backend.map(|backend| backend.tools.to_string()).unwrap_or_default().into(),
            member.url.as_str().into(),
            member.message.as_str().into(),
        ]
    };
    let shown = |header: &str| backends.is_some() || !matches!(header, "KIND" | "TOOLS");
    let rows = members.iter().map(|member| {
        headers
            .into_iter()
            .zip(row(member))
            .filter(|(header, _)| shown(header))
            .map(|(_, cell)| cell)
            .collect()
    });
    Grid::new(headers.into_iter().filter(|header| shown(header)), rows)
}

/// Conditions of an object.
pub(super) fn conditions(conditions: &[Condition]) -> Grid {
    let row = |condition: &Condition| {
        vec![
            condition.r#type.as_str().into(),
            condition.status.as_str().into(),
            condition.reason.as_str().into(),
            condition.last_transition_time.as_deref().unwrap_or("-").into(),
            condition.message.as_str().into(),
        ]
    };
    Grid::new(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], conditions.iter().map(row))
}

fn state(word: &str) -> Cell {
    Cell::new(word, state_tone(word))
}

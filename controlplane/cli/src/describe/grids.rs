//! Tables within descriptions.

use crate::resources::{Backend, Condition, Member, state_tone};
use crate::table::{Cell, Grid};

/// The backends of a virtual server as it sees them; `ago` says how long ago a time is.
pub(super) fn members(members: &[Member], backends: &[Backend], ago: impl Fn(u64) -> String) -> Grid {
    let row = |member: &Member| {
        let backend = backends.iter().find(|backend| backend.id == member.id);
        let breaker = member.circuit_breaker_state.as_str();
        vec![
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
    Grid {
        headers: vec!["NAME", "KIND", "STATUS", "BREAKER", "FAILURES", "CHECKED", "TOOLS", "URL", "MESSAGE"],
        rows: members.iter().map(row).collect(),
    }
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
    Grid {
        headers: vec!["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"],
        rows: conditions.iter().map(row).collect(),
    }
}

fn state(word: &str) -> Cell {
    Cell::new(word, state_tone(word))
}

//! What statuses were: `lastTransitionTime` moves only when a condition's status changes, and a phase that changes is said in
//! the log once.

use std::collections::BTreeMap;

use tidegate_controlplane_api::ObjectRef;

use super::{Condition, Status};

/// The memory of one process.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    objects: BTreeMap<ObjectRef, Known>,
}

#[derive(Debug, Default)]
struct Known {
    phase: &'static str,
    /// By type: whether it held, and since when.
    conditions: BTreeMap<String, (bool, u64)>,
}

/// What a status said of a condition when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Its type.
    pub r#type: String,
    /// Whether it held.
    pub holds: bool,
    /// Since when, in milliseconds of Unix time.
    pub unix_ms: u64,
}

/// A phase that is another than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) object: ObjectRef,
    /// Empty: it is new.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) message: String,
}

impl Transitions {
    /// Takes over times that are on record, as far as they are about what holds now or is not known yet.
    pub(super) fn remember(&mut self, object: &ObjectRef, conditions: Vec<Since>) {
        let known = self.objects.entry(object.clone()).or_default();
        for Since { r#type, holds, unix_ms } in conditions {
            let present = known.conditions.entry(r#type).or_insert((holds, unix_ms));
            if present.0 == holds {
                present.1 = unix_ms;
            }
        }
    }

    /// Stamps the conditions of a status and remembers them. Returns the phase if it is another than before.
    pub(super) fn stamp(
        &mut self,
        object: &ObjectRef,
        status: &mut Status,
        now_unix_ms: u64,
    ) -> Option<Turn> {
        let known = self.objects.remove(object).unwrap_or_default();
        let turn = (known.phase != status.phase).then(|| Turn::new(object, known.phase, status));
        let mut conditions = BTreeMap::new();
        for condition in &mut status.conditions {
            condition.since_unix_ms = since(&known, condition, now_unix_ms);
            conditions.insert(condition.r#type.clone(), (condition.holds, condition.since_unix_ms));
        }
        self.objects.insert(object.clone(), Known { phase: status.phase, conditions });
        turn
    }

    /// The object is gone.
    pub(super) fn forget(&mut self, object: &ObjectRef) {
        self.objects.remove(object);
    }

    /// Every object is gone that is none of these.
    pub(super) fn retain(&mut self, is_there: impl Fn(&ObjectRef) -> bool) {
        self.objects.retain(|object, _| is_there(object));
    }
}

fn since(known: &Known, condition: &Condition, now_unix_ms: u64) -> u64 {
    match known.conditions.get(&condition.r#type) {
        Some((held, since)) if *held == condition.holds => *since,
        _ => now_unix_ms,
    }
}

impl Turn {
    fn new(object: &ObjectRef, from: &'static str, status: &Status) -> Self {
        Self { object: object.clone(), from, to: status.phase, message: status.message.clone() }
    }

    /// One line.
    pub(super) fn log(&self) {
        let Self { object, from, to, message } = self;
        tracing::info!(%object, from, to, message, "phase changed");
    }
}

#[cfg(test)]
mod tests {
    use tidegate_controlplane_api::Kind;
    use tidegate_controlplane_compile::{ObjectStatus, Phase};

    use super::*;

    fn group() -> ObjectRef {
        ObjectRef::new(Kind::McpGroup, "default", "g")
    }

    fn check(memory: &mut Transitions, now: u64, holds: bool, message: &str, since: u64, turns: bool) {
        let mut status = Status::of(&ObjectStatus::new(if holds { Phase::Ready } else { Phase::Failed }, ""));
        status.set("Ready", holds, "Reason", message);
        assert_eq!(memory.stamp(&group(), &mut status, now).is_some(), turns);
        assert_eq!(status.condition("Ready").unwrap().since_unix_ms, since);
    }

    #[test]
    fn the_time_of_a_condition_moves_only_with_its_status() {
        let mut memory = Transitions::default();
        check(&mut memory, 10, true, "a", 10, true);
        check(&mut memory, 20, true, "a", 10, false);
        check(&mut memory, 30, true, "another message", 10, false);
        check(&mut memory, 40, false, "a", 40, true);
        check(&mut memory, 50, false, "a", 40, false);
        memory.forget(&group());
        check(&mut memory, 70, false, "gone and back", 70, true);
    }
}

//! After nodes have probed their backends and found what was known, statuses are out of date by a few times only. They are gone
//! through some at a time: to make all of them anew would keep a core from what matters.

use std::ops::Bound;

use tidegate_controlplane_api::{Kind, ObjectRef};

use super::Statuses;

/// Objects that are looked at in one step.
const SLICE: usize = 250;

/// A way through all objects that nodes speak of.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    under_way: bool,
    /// The last one that was looked at.
    after: Option<ObjectRef>,
}

impl Sweep {
    /// From the first object on, unless it is under way.
    pub(super) fn begin(&mut self) {
        self.under_way = true;
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// The next objects to look at.
    pub(super) fn step(&mut self, statuses: &Statuses) -> Vec<ObjectRef> {
        let after = self.after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let told = |object: &&ObjectRef| {
            matches!(object.kind, Kind::VirtualMcpServer | Kind::McpServer | Kind::McpRemoteProxy)
        };
        let objects = statuses.range((after, Bound::Unbounded)).map(|(object, _)| object);
        let slice: Vec<ObjectRef> = objects.filter(told).take(SLICE).cloned().collect();
        self.under_way = slice.len() == SLICE;
        self.after = slice.last().filter(|_| self.under_way).cloned();
        slice
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_controlplane_compile::{ObjectStatus, Phase};

    use super::*;
    use crate::status::Status;

    fn check(count: usize, steps: &[usize]) {
        let status = Arc::new(Status::of(&ObjectStatus::new(Phase::Ready, "")));
        let named = |kind| (0..count).map(move |i| ObjectRef::new(kind, "team", &format!("o{i}")));
        let all = named(Kind::VirtualMcpServer).chain(named(Kind::McpServerEntry));
        let statuses: Statuses = all.map(|object| (object, Arc::clone(&status))).collect();
        for _ in 0..2 {
            let mut sweep = Sweep::default();
            assert!(!sweep.is_under_way());
            sweep.begin();
            let mut seen = Vec::new();
            let mut taken = Vec::new();
            while sweep.is_under_way() {
                let slice = sweep.step(&statuses);
                taken.push(slice.len());
                seen.extend(slice);
            }
            assert_eq!(taken, steps);
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), count, "each once, and none of those that nodes say nothing of");
        }
    }

    #[test]
    fn a_sweep_comes_by_each_object_once() {
        check(0, &[0]);
        check(3, &[3]);
        check(SLICE, &[SLICE, 0]);
        check(2 * SLICE + 1, &[SLICE, SLICE, 1]);
    }
}

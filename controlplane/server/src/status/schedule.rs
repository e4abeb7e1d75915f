//! What is written, and when (spec 2.6.6): at once when somebody would act on it, at the object's interval when only details
//! changed, one after the other, and not at all when nothing changed. Takes the time, does no I/O.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidegate_controlplane_api::ObjectRef;

use super::{Condition, DiscoveredBackend, Status, Statuses};

/// After a write that failed once, and at most: a permission that is missing fails the writes of all objects, for hours perhaps.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_AT_MOST: Duration = Duration::from_secs(60);

/// Between two writes of statuses in which only details changed, of all objects together: what the API server hardly notices, where a
/// bundle of them would stand in the way of what matters.
const DETAILS_EVERY: Duration = Duration::from_millis(100);

/// What has been written. Times are since any fixed moment.
#[derive(Debug, Default)]
pub struct Schedule {
    written: BTreeMap<ObjectRef, Written>,
    /// Statuses in which only details changed, those that have waited longest first.
    details: VecDeque<(ObjectRef, Arc<Status>)>,
    /// When the next one of them may be written.
    details_at: Duration,
}

#[derive(Debug)]
struct Written {
    /// Absent: what is there now is not known.
    status: Option<Arc<Status>>,
    at: Duration,
    /// When it is to be tried again, after a failure.
    retry: Option<Duration>,
    /// In a row.
    failures: u32,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write this status.
    Put(ObjectRef, Arc<Status>),
    /// The object is gone, and its status goes with it.
    Remove(ObjectRef),
}

impl Step {
    /// Whose status it is.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Step::Put(object, _) | Step::Remove(object) => object,
        }
    }
}

impl Schedule {
    /// Begins with the statuses that an earlier process left, of whatever content.
    pub fn new(left: impl IntoIterator<Item = ObjectRef>) -> Self {
        let unknown = || Written { status: None, at: Duration::ZERO, retry: None, failures: 0 };
        let written = left.into_iter().map(|object| (object, unknown())).collect();
        Self { written, ..Self::default() }
    }

    /// These have no status, whatever was written: they are other objects of the same names.
    pub fn forget(&mut self, objects: impl IntoIterator<Item = ObjectRef>) {
        for object in objects {
            if self.written.get(&object).is_some_and(|written| written.retry.is_none()) {
                self.written.remove(&object);
            }
        }
    }

    /// What to do now, taken as done; [`failed`](Self::failed) takes that back. What can wait is left to [`detail`](Self::detail).
    pub fn due(&mut self, now: Duration, present: &Statuses) -> Vec<Step> {
        let mut steps = Vec::new();
        let gone = |object: &ObjectRef, written: &Written| {
            !present.contains_key(object) && written.retry.is_none_or(|at| now >= at)
        };
        for (object, _) in self.written.extract_if(.., |object, written| gone(object, written)) {
            steps.push(Step::Remove(object));
        }
        let mut details = Vec::new();
        for (object, status) in present {
            match self.written.get(object).map(|written| (written.at, written.due(now, status))) {
                Some((_, Due::At(at))) if now < at => {}
                Some((_, Due::Never)) => {}
                Some((at, Due::Details(due))) if now >= due => details.push((at, object, status)),
                Some((_, Due::Details(_))) => {}
                None | Some((_, Due::At(_))) => steps.push(self.put(now, object, status)),
            }
        }
        details.sort_by_key(|(at, ..)| *at);
        self.details =
            details.into_iter().map(|(_, object, status)| (object.clone(), Arc::clone(status))).collect();
        steps
    }

    /// One of the statuses that could wait, when it is its turn.
    pub fn detail(&mut self, now: Duration) -> Option<Step> {
        if now < self.details_at {
            return None;
        }
        let (object, status) = self.details.pop_front()?;
        self.details_at = now + DETAILS_EVERY;
        Some(self.put(now, &object, &status))
    }

    /// When it is the turn of the next one that could wait.
    pub fn next_detail(&self) -> Option<Duration> {
        self.details.front().map(|_| self.details_at)
    }

    fn put(&mut self, now: Duration, object: &ObjectRef, status: &Arc<Status>) -> Step {
        // Until it is known to have worked, this goes on from the failures before.
        let before = self.written.get(object).filter(|written| written.retry.is_some());
        let failures = before.map_or(0, |written| written.failures);
        let written = Written { status: Some(Arc::clone(status)), at: now, retry: None, failures };
        self.written.insert(object.clone(), written);
        Step::Put(object.clone(), Arc::clone(status))
    }

    /// When to ask what is [`due`](Self::due) again if nothing changes until then. `details`: before that, nobody looks for mere details.
    pub fn next(&self, now: Duration, details: Duration, present: &Statuses) -> Option<Duration> {
        let due = |(object, written): (&ObjectRef, &Written)| match present.get(object) {
            Some(status) => match written.due(now, status) {
                Due::Never => None,
                Due::At(at) => Some(at),
                // Those whose time has come wait for their turn already.
                Due::Details(at) => Some(at).filter(|at| *at > now).map(|at| at.max(details)),
            },
            None => Some(written.retry.unwrap_or(now)),
        };
        self.written.iter().filter_map(due).min()
    }

    /// A step could not be done: it is tried again, later.
    pub fn failed(&mut self, now: Duration, object: &ObjectRef) {
        let failures = self.written.get(object).map_or(0, |written| written.failures);
        let wait = RETRY.saturating_mul(1 << failures.min(16)).min(RETRY_AT_MOST);
        let written = Written { status: None, at: now, retry: Some(now + wait), failures: failures + 1 };
        self.written.insert(object.clone(), written);
    }

    /// Whether a write has failed and not succeeded since.
    pub fn is_behind(&self) -> bool {
        self.written.values().any(|written| written.retry.is_some())
    }
}

impl Written {
    /// When the present status is to be written: never, while it is the one that is there.
    fn due(&self, now: Duration, present: &Arc<Status>) -> Due {
        match (&self.status, self.retry) {
            (_, Some(at)) => Due::At(at),
            (None, None) => Due::At(now),
            (Some(status), None) if Arc::ptr_eq(status, present) || status == present => Due::Never,
            (Some(status), None) if !matters(status, present) => Due::Details(self.at + present.interval),
            (Some(_), None) => Due::At(now),
        }
    }
}

/// When a status is to be written.
enum Due {
    Never,
    At(Duration),
    /// Then at the earliest, and in its turn.
    Details(Duration),
}

/// Whether somebody would act on the difference: anything but texts, counts and times.
fn matters(a: &Status, b: &Status) -> bool {
    essence(a) != essence(b)
        || !a.conditions.iter().map(essence_of_condition).eq(b.conditions.iter().map(essence_of_condition))
        || !backends(a).map(essence_of_backend).eq(backends(b).map(essence_of_backend))
}

fn essence(status: &Status) -> impl PartialEq {
    // every field by name, so that a new one has to be thought of
    let Status {
        phase,
        message: _,
        url,
        serving,
        members,
        details,
        observed_generation,
        conditions: _,
        interval: _,
    } = status;
    let count = serving.as_ref().map(|serving| serving.backend_count);
    (*phase, url, count, members, details, *observed_generation)
}

fn essence_of_condition(condition: &Condition) -> impl PartialEq {
    let Condition { r#type, holds, reason, message: _, since_unix_ms } = condition;
    (r#type, *holds, *reason, *since_unix_ms)
}

fn backends(status: &Status) -> impl Iterator<Item = &DiscoveredBackend> {
    status.serving.iter().flat_map(|serving| &serving.backends)
}

fn essence_of_backend(backend: &DiscoveredBackend) -> impl PartialEq {
    let DiscoveredBackend {
        name,
        url,
        status,
        auth_config_ref,
        auth_type,
        message: _,
        checked_unix_ms: _,
        breaker,
        breaker_changed_unix_ms,
        consecutive_failures: _,
        mcp_revision,
    } = backend;
    ((name, url, status, auth_config_ref), (*auth_type, mcp_revision), (breaker, *breaker_changed_unix_ms))
}

#[cfg(test)]
mod tests;

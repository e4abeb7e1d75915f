//! What is written, and when (spec 2.6.6): at once when somebody would act on it, at the object's interval when only details
//! changed, and not at all when nothing changed. Takes the time, does no I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_controlplane_api::ObjectRef;

use super::{Condition, DiscoveredBackend, Status, Statuses};

/// After a write that failed once, and at most: a permission that is missing fails the writes of all objects, for hours perhaps.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_AT_MOST: Duration = Duration::from_secs(60);

/// Writes of statuses in which only details changed, of all objects together. What somebody would act on is not counted.
const DETAILS_PER_MINUTE: u32 = 600;

/// What has been written. Times are since any fixed moment.
#[derive(Debug, Default)]
pub struct Schedule {
    written: BTreeMap<ObjectRef, Written>,
    budget: Budget,
}

#[derive(Debug)]
struct Written {
    /// Absent: what is there now is not known.
    status: Option<Status>,
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
    Put(ObjectRef, Box<Status>),
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
        Self { written, budget: Budget::default() }
    }

    /// These have no status, whatever was written: they are other objects of the same names.
    pub fn forget(&mut self, objects: impl IntoIterator<Item = ObjectRef>) {
        for object in objects {
            if self.written.get(&object).is_some_and(|written| written.retry.is_none()) {
                self.written.remove(&object);
            }
        }
    }

    /// What to do now, taken as done; [`failed`](Self::failed) takes that back.
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
        // those that have waited longest
        details.sort_by_key(|(at, ..)| *at);
        self.budget.refill(now);
        for (_, object, status) in details {
            if !self.budget.take() {
                break;
            }
            steps.push(self.put(now, object, status));
        }
        steps
    }

    fn put(&mut self, now: Duration, object: &ObjectRef, status: &Status) -> Step {
        // Until it is known to have worked, this goes on from the failures before.
        let before = self.written.get(object).filter(|written| written.retry.is_some());
        let failures = before.map_or(0, |written| written.failures);
        let written = Written { status: Some(status.clone()), at: now, retry: None, failures };
        self.written.insert(object.clone(), written);
        Step::Put(object.clone(), Box::new(status.clone()))
    }

    /// When there is something to do if nothing changes until then. `details`: before that, nobody looks for mere details.
    pub fn next(&self, now: Duration, details: Duration, present: &Statuses) -> Option<Duration> {
        let due = |(object, written): (&ObjectRef, &Written)| match present.get(object) {
            Some(status) => match written.due(now, status) {
                Due::Never => None,
                Due::At(at) => Some(at),
                Due::Details(at) => Some(at.max(self.budget.next(now)).max(details)),
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
    fn due(&self, now: Duration, present: &Status) -> Due {
        match (&self.status, self.retry) {
            (_, Some(at)) => Due::At(at),
            (None, None) => Due::At(now),
            (Some(status), None) if status == present => Due::Never,
            (Some(status), None) if !matters(status, present) => Due::Details(self.at + present.interval),
            (Some(_), None) => Due::At(now),
        }
    }
}

/// When a status is to be written.
enum Due {
    Never,
    At(Duration),
    /// Then at the earliest, within the budget.
    Details(Duration),
}

/// What details may cost the API server: so many writes at once, and as many a minute.
#[derive(Debug)]
struct Budget {
    left: u32,
    /// When the last one came back.
    since: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: DETAILS_PER_MINUTE, since: Duration::ZERO }
    }
}

impl Budget {
    const EACH: Duration = Duration::from_millis(60_000 / DETAILS_PER_MINUTE as u64);

    fn refill(&mut self, now: Duration) {
        let back = now.saturating_sub(self.since).as_millis() / Self::EACH.as_millis();
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(back).min(DETAILS_PER_MINUTE);
        self.since = if self.left == DETAILS_PER_MINUTE { now } else { self.since + Self::EACH * back };
    }

    fn take(&mut self) -> bool {
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }

    /// When there is one.
    fn next(&self, now: Duration) -> Duration {
        if self.left > 0 { now } else { self.since + Self::EACH }
    }
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

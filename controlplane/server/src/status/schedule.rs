//! What is written, and when (spec 2.6.6): at once when somebody would act on it, at the object's interval when only details
//! changed, and not at all when nothing changed. Takes the time, does no I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_controlplane_api::ObjectRef;

use super::{Status, Statuses};

/// After a write that failed.
const RETRY: Duration = Duration::from_secs(5);

/// What has been written. Times are since any fixed moment.
#[derive(Debug, Default)]
pub struct Schedule {
    written: BTreeMap<ObjectRef, Written>,
}

#[derive(Debug)]
struct Written {
    /// Absent: what is there now is not known.
    status: Option<Status>,
    at: Duration,
    /// When it is to be tried again, after a failure.
    retry: Option<Duration>,
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
        let unknown = || Written { status: None, at: Duration::ZERO, retry: None };
        Self { written: left.into_iter().map(|object| (object, unknown())).collect() }
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
        for (object, status) in present {
            if self.written.get(object).is_none_or(|written| now >= written.due(now, status)) {
                let written = Written { status: Some(status.clone()), at: now, retry: None };
                self.written.insert(object.clone(), written);
                steps.push(Step::Put(object.clone(), Box::new(status.clone())));
            }
        }
        steps
    }

    /// When there is something to do if nothing changes until then.
    pub fn next(&self, now: Duration, present: &Statuses) -> Option<Duration> {
        let due = |(object, written): (&ObjectRef, &Written)| match present.get(object) {
            Some(status) => written.due(now, status),
            None => written.retry.unwrap_or(now),
        };
        self.written.iter().map(due).min().filter(|at| *at < Duration::MAX)
    }

    /// A step could not be done: it is tried again, later.
    pub fn failed(&mut self, now: Duration, object: &ObjectRef) {
        let written = Written { status: None, at: now, retry: Some(now + RETRY) };
        self.written.insert(object.clone(), written);
    }
}

impl Written {
    /// When the present status is to be written: never, while it is the one that is there.
    fn due(&self, now: Duration, present: &Status) -> Duration {
        match (&self.status, self.retry) {
            (_, Some(at)) => at,
            (None, None) => now,
            (Some(status), None) if status == present => Duration::MAX,
            (Some(status), None) if !matters(status, present) => self.at + present.interval,
            (Some(_), None) => now,
        }
    }
}

/// Whether somebody would act on the difference: anything but texts, counts and times.
fn matters(a: &Status, b: &Status) -> bool {
    essence(a) != essence(b)
}

fn essence(status: &Status) -> Status {
    let mut status = Status { message: String::new(), interval: Duration::ZERO, ..status.clone() };
    for condition in &mut status.conditions {
        condition.message.clear();
    }
    for backend in status.serving.iter_mut().flat_map(|serving| &mut serving.backends) {
        backend.message.clear();
        backend.checked_unix_ms = 0;
        backend.consecutive_failures = 0;
    }
    status
}

#[cfg(test)]
mod tests;

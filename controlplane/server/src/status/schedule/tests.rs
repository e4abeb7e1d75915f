use tidegate_controlplane_api::Kind;
use tidegate_controlplane_compile::{ObjectStatus, Phase};

use super::*;
use crate::status::{Breaker, DiscoveredBackend, Serving, Word};

fn demo() -> ObjectRef {
    ObjectRef::new(Kind::VirtualMcpServer, "default", "demo")
}

fn status(word: Word, checked_unix_ms: u64) -> Status {
    let backend = DiscoveredBackend {
        name: "clock".into(),
        url: String::new(),
        status: word,
        auth_config_ref: None,
        auth_type: "unauthenticated",
        message: String::new(),
        checked_unix_ms,
        breaker: None,
        breaker_changed_unix_ms: 0,
        consecutive_failures: 0,
        mcp_revision: String::new(),
    };
    let serving = Some(Serving { backend_count: 1, backends: vec![backend] });
    let interval = Duration::from_secs(5);
    Status { serving, interval, ..Status::of(&ObjectStatus::new(Phase::Ready, "")) }
}

fn of(status: Status) -> Statuses {
    Statuses::unit(demo(), Arc::new(status))
}

/// A schedule that has written a ready backend at second 0.
fn written() -> Schedule {
    let mut schedule = Schedule::default();
    assert_eq!(schedule.due(Duration::ZERO, &of(status(Word::Ready, 1))).len(), 1);
    schedule
}

/// All that is written now.
fn steps(schedule: &mut Schedule, now: Duration, statuses: &Statuses) -> Vec<Step> {
    let mut steps = schedule.due(now, statuses);
    steps.extend(schedule.detail(now));
    steps
}

/// Writes by second, when each second has the status that `at` says.
fn writes(schedule: &mut Schedule, seconds: u64, at: impl Fn(u64) -> Status) -> Vec<u64> {
    let now = Duration::from_secs;
    (1..=seconds).filter(|second| !steps(schedule, now(*second), &of(at(*second))).is_empty()).collect()
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let mut schedule = written();
    assert!(writes(&mut schedule, 3600, |_| status(Word::Ready, 1)).is_empty());
    assert_eq!(schedule.next(Duration::from_secs(3600), Duration::ZERO, &of(status(Word::Ready, 1))), None);
}

#[test]
fn e12_details_are_written_at_the_reporting_interval() {
    let mut schedule = written();
    assert_eq!(writes(&mut schedule, 21, |second| status(Word::Ready, 1000 * second)), [5, 10, 15, 20]);
    let later = of(status(Word::Ready, 1));
    assert_eq!(schedule.next(Duration::from_secs(21), Duration::ZERO, &later), Some(Duration::from_secs(25)));
}

#[test]
fn what_somebody_would_act_on_is_written_at_once() {
    let check = |what: &str, change: &dyn Fn(&mut Status)| {
        let mut changed = status(Word::Ready, 1);
        change(&mut changed);
        let steps = written().due(Duration::from_millis(1), &of(changed.clone()));
        assert_eq!(steps, [Step::Put(demo(), Arc::new(changed))], "{what}");
    };
    let backend = |status: &mut Status, change: &dyn Fn(&mut DiscoveredBackend)| {
        change(&mut status.serving.as_mut().unwrap().backends[0]);
    };
    check("the phase", &|status| status.phase = "Failed");
    check("a condition", &|status| status.set("Ready", false, "BackendsPending", ""));
    check("the number of backends", &|status| status.serving.as_mut().unwrap().backend_count = 2);
    check("a backend's status", &|status| backend(status, &|b| b.status = Word::Unavailable));
    check("a breaker", &|status| backend(status, &|b| b.breaker = Some(Breaker::Open)));
    check("a backend that is gone", &|status| status.serving.as_mut().unwrap().backends.clear());
}

#[test]
fn what_is_gone_is_removed_once_and_what_an_earlier_process_left_is_replaced() {
    let mut schedule = written();
    assert_eq!(schedule.due(Duration::from_secs(1), &Statuses::new()), [Step::Remove(demo())]);
    assert_eq!(schedule.due(Duration::from_secs(2), &Statuses::new()), []);
    let mut schedule = Schedule::new([demo(), ObjectRef::new(Kind::McpGroup, "default", "old")]);
    let steps = schedule.due(Duration::ZERO, &of(status(Word::Ready, 1)));
    assert_eq!(steps.len(), 2);
    assert!(matches!(&steps[0], Step::Remove(object) if object.kind == Kind::McpGroup), "{steps:?}");
    assert!(matches!(&steps[1], Step::Put(object, _) if *object == demo()), "{steps:?}");
}

#[test]
fn a_write_that_fails_is_tried_again_later_and_not_at_once() {
    let mut schedule = written();
    let changed = of(status(Word::Unavailable, 1));
    let second = Duration::from_secs;
    assert_eq!(schedule.due(second(1), &changed).len(), 1);
    schedule.failed(second(1), &demo());
    assert_eq!(schedule.due(second(2), &changed), []);
    assert_eq!(schedule.next(second(2), Duration::ZERO, &changed), Some(second(6)));
    assert_eq!(schedule.due(second(6), &changed).len(), 1);
    assert_eq!(schedule.next(second(6), Duration::ZERO, &changed), None);
    assert_eq!(schedule.due(second(7), &Statuses::new()).len(), 1);
    schedule.failed(second(7), &demo());
    assert_eq!(schedule.due(second(8), &Statuses::new()), []);
    assert_eq!(schedule.next(second(8), Duration::ZERO, &Statuses::new()), Some(second(12)));
    assert_eq!(schedule.due(second(12), &Statuses::new()), [Step::Remove(demo())]);
}

#[test]
fn writes_that_go_on_failing_are_tried_ever_later() {
    let mut schedule = written();
    let changed = of(status(Word::Unavailable, 1));
    let mut now = Duration::from_secs(1);
    for wait in [5, 10, 20, 40, 60, 60] {
        assert_eq!(schedule.due(now, &changed).len(), 1);
        schedule.failed(now, &demo());
        assert!(schedule.is_behind());
        now += Duration::from_secs(wait);
        assert_eq!(schedule.next(now, Duration::ZERO, &changed), Some(now));
    }
    assert_eq!(schedule.due(now, &changed).len(), 1);
    assert!(!schedule.is_behind(), "it worked");
    let again = of(status(Word::Ready, 1));
    assert_eq!(schedule.due(now, &again).len(), 1);
    schedule.failed(now, &demo());
    assert_eq!(schedule.next(now, Duration::ZERO, &again), Some(now + RETRY), "and starts anew");
}

#[test]
fn details_of_many_objects_are_written_one_by_one() {
    let object = |i: usize| ObjectRef::new(Kind::VirtualMcpServer, "default", &format!("v{i}"));
    let all = |word, at| -> Statuses { (0..100).map(|i| (object(i), Arc::new(status(word, at)))).collect() };
    let second = Duration::from_secs;
    let mut schedule = Schedule::default();
    assert_eq!(
        schedule.due(second(0), &all(Word::Ready, 1)).len(),
        100,
        "the first write of each is no detail"
    );
    assert_eq!(schedule.next_detail(), None);

    assert_eq!(schedule.due(second(10), &all(Word::Ready, 2)), []);
    let first = schedule.detail(second(10)).expect("it is its turn");
    assert_eq!(schedule.detail(second(10)), None);
    assert_eq!(schedule.next_detail(), Some(second(10) + DETAILS_EVERY));
    assert_eq!(schedule.next(second(10), second(12), &all(Word::Ready, 2)), None, "all the others wait");
    let later = schedule.detail(second(10) + DETAILS_EVERY).expect("the next");
    assert_ne!(first.object(), later.object());

    assert_eq!(schedule.due(second(11), &all(Word::Ready, 3)), []);
    let next = schedule.detail(second(11)).expect("the next");
    let Step::Put(of, newest) = &next else { panic!("{next:?}") };
    assert!(of != first.object() && of != later.object(), "those that have waited longest");
    assert_eq!(**newest, status(Word::Ready, 3));
    assert_eq!(
        schedule.next(second(11), second(25), &all(Word::Ready, 3)),
        Some(second(25)),
        "in a bundle, where looking is dear"
    );

    assert_eq!(
        schedule.due(second(12), &all(Word::Unavailable, 4)).len(),
        100,
        "what matters is written at once"
    );
    assert_eq!(schedule.next_detail(), None);
}

//! The rows of spec 5.4, and random histories against a model that knows only those rows.

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const POLICY: Policy = Policy { failure_threshold: 2, open_for: Duration::from_secs(10) };

#[track_caller]
fn granted(b: &mut Breaker, now: Duration) -> Ticket {
    match b.admit(now) {
        Admission::Granted(ticket) => ticket,
        Admission::Refused { .. } => panic!("refused at {now:?}: {b:?}"),
    }
}

/// What happens to a breaker, each a second after the other: Succeeds or Fails at once; Asks and is told to wait; a
/// Trial is asked for and goes on its way; it ends by success (`+`), failure (`-`) or without a verdict (`0`);
/// `.` is the open time that passes.
#[track_caller]
fn check(events: &str, expected: Position, failures: u32) {
    let mut b = Breaker::new(POLICY);
    let mut now = SECOND;
    let mut trial = None;
    for event in events.chars() {
        now += SECOND;
        match event {
            'S' | 'F' => {
                let ticket = granted(&mut b, now);
                b.record(ticket, if event == 'S' { Verdict::Success } else { Verdict::Failure }, now);
            }
            'A' => assert!(matches!(b.admit(now), Admission::Refused { .. }), "{events}: {b:?}"),
            'T' => trial = Some(granted(&mut b, now)),
            '+' => drop(b.record(trial.take().expect("a trial"), Verdict::Success, now)),
            '-' => drop(b.record(trial.take().expect("a trial"), Verdict::Failure, now)),
            '0' => drop(b.record(trial.take().expect("a trial"), Verdict::None, now)),
            _ => now += POLICY.open_for,
        }
    }
    assert_eq!((b.position(), b.failures()), (expected, failures), "{events}");
}

#[test]
fn every_row_of_the_table_of_spec_5_4() {
    check("", Position::Closed, 0);
    check("S", Position::Closed, 0);
    check("F", Position::Closed, 1);
    check("FS", Position::Closed, 0);
    check("FSF", Position::Closed, 1);
    check("FF", Position::Open, 2);
    check("FFAAA", Position::Open, 2);
    check("FF.", Position::Open, 2);
    check("FF.T", Position::HalfOpen, 2);
    check("FF.TAA", Position::HalfOpen, 2);
    check("FF.TA+", Position::Closed, 0);
    check("FF.T+SF", Position::Closed, 1);
    check("FF.TA-", Position::Open, 3);
    check("FF.T-A", Position::Open, 3);
    check("FF.T-.T+", Position::Closed, 0);
    check("FF.T0TA", Position::HalfOpen, 2);
    check("FF.T0T-", Position::Open, 3);
}

#[test]
fn one_trial_decides_after_the_open_time() {
    let mut b = Breaker::new(POLICY);
    let (first, second) = (granted(&mut b, SECOND), granted(&mut b, SECOND));
    assert_eq!(b.record(first, Verdict::Failure, SECOND), None);
    assert_eq!(b.record(second, Verdict::Failure, 2 * SECOND), Some(Position::Open));
    assert_eq!(b.admit(5 * SECOND), Admission::Refused { retry_after: 7 * SECOND });
    assert_eq!(b.record(first, Verdict::Success, 5 * SECOND), None, "sent before it opened");
    let trial = granted(&mut b, 12 * SECOND);
    assert_eq!(b.position(), Position::HalfOpen);
    assert_eq!(b.admit(12 * SECOND), Admission::Refused { retry_after: SECOND });
    assert_eq!(b.record(trial, Verdict::None, 13 * SECOND), None, "the client left");
    let trial = granted(&mut b, 13 * SECOND);
    assert_eq!(b.record(trial, Verdict::Success, 14 * SECOND), Some(Position::Closed));
    assert_eq!((b.failures(), b.changed()), (0, Some(14 * SECOND)));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    /// Brings back one of the tickets that are out.
    Record(prop::sample::Index, Verdict),
    Advance(u64),
}

/// What the rows say, from everything that happened so far; it keeps what the breaker need not.
struct Model {
    policy: Policy,
    /// Outcomes of what was admitted while closed, since it last closed.
    outcomes: Vec<bool>,
    opened: Option<Duration>,
    /// Of this half-open time: the one trial, by its number.
    trial: Option<usize>,
    half_open: bool,
    /// Of each admission: in which stretch between two changes it was.
    admissions: Vec<usize>,
    stretch: usize,
}

impl Model {
    fn new(policy: Policy) -> Self {
        let (outcomes, admissions) = (Vec::new(), Vec::new());
        Self { policy, outcomes, opened: None, trial: None, half_open: false, admissions, stretch: 0 }
    }

    fn position(&self) -> Position {
        match (self.half_open, self.opened) {
            (true, _) => Position::HalfOpen,
            (false, Some(_)) => Position::Open,
            (false, None) => Position::Closed,
        }
    }

    /// The number of the admission, or how long to wait.
    fn admit(&mut self, now: Duration) -> Result<usize, Duration> {
        if let (Some(opened), false) = (self.opened, self.half_open) {
            let waited = now - opened;
            if waited < self.policy.open_for {
                return Err(self.policy.open_for - waited);
            }
            self.half_open = true;
            self.stretch += 1;
        }
        if self.half_open && self.trial.is_some() {
            return Err(SECOND);
        }
        let number = self.admissions.len();
        self.admissions.push(self.stretch);
        self.trial = self.half_open.then_some(number);
        Ok(number)
    }

    fn record(&mut self, number: usize, verdict: Verdict, now: Duration) {
        if self.admissions[number] != self.stretch {
            return;
        }
        if self.half_open {
            assert_eq!(self.trial, Some(number), "only the trial is out");
            self.trial = None;
            match verdict {
                Verdict::None => return,
                Verdict::Success => (self.opened, self.outcomes) = (None, Vec::new()),
                Verdict::Failure => self.opened = Some(now),
            }
            self.half_open = false;
            self.stretch += 1;
            return;
        }
        match verdict {
            Verdict::None => return,
            Verdict::Success => self.outcomes.push(true),
            Verdict::Failure => self.outcomes.push(false),
        }
        let row = self.outcomes.iter().rev().take_while(|ok| !**ok).count();
        if row >= self.policy.failure_threshold as usize {
            self.opened = Some(now);
            self.stretch += 1;
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict =
        prop_oneof![2 => Just(Verdict::Success), 4 => Just(Verdict::Failure), 1 => Just(Verdict::None)];
    let step = prop_oneof![
        5 => Just(Step::Admit),
        5 => (any::<prop::sample::Index>(), verdict).prop_map(|(which, verdict)| Step::Record(which, verdict)),
        2 => (0_u64..4_000).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn random_histories_follow_the_rows(threshold in 1_u32..6, open_ms in 1_u64..10_000, steps in steps()) {
        let policy = Policy { failure_threshold: threshold, open_for: Duration::from_millis(open_ms) };
        let (mut breaker, mut model) = (Breaker::new(policy), Model::new(policy));
        let mut out: Vec<(usize, Ticket)> = Vec::new();
        let mut now = SECOND;
        for step in steps {
            let (position, period) = (breaker.position(), breaker.period());
            match step {
                Step::Advance(ms) => now += Duration::from_millis(ms),
                Step::Admit => match (breaker.admit(now), model.admit(now)) {
                    (Admission::Granted(ticket), Ok(number)) => out.push((number, ticket)),
                    (Admission::Refused { retry_after }, Err(expected)) => prop_assert_eq!(retry_after, expected),
                    (breaker, model) => prop_assert!(false, "{:?} instead of {:?}", breaker, model),
                },
                Step::Record(_, _) if out.is_empty() => {}
                Step::Record(which, verdict) => {
                    let (number, ticket) = out.swap_remove(which.index(out.len()));
                    let changed = breaker.record(ticket, verdict, now);
                    model.record(number, verdict, now);
                    prop_assert_eq!(changed, (breaker.position() != position).then(|| breaker.position()));
                }
            }
            prop_assert_eq!(breaker.position(), model.position());
            if breaker.position() != position {
                prop_assert_eq!((breaker.changed(), breaker.period()), (Some(now), period.wrapping_add(1)));
            } else {
                prop_assert_eq!(breaker.period(), period, "a period is a stretch of one position");
            }
            if breaker.is_clean() {
                let ticket = breaker.clone().admit(now);
                prop_assert_eq!(ticket, Admission::Granted(Ticket::of_period(breaker.period())));
            }
        }
    }

    #[test]
    fn of_any_number_that_ask_at_once_one_is_let_through_in_each_half_open_window(
        callers in 1_usize..200,
        windows in prop::collection::vec(any::<bool>(), 1..20),
    ) {
        let mut breaker = Breaker::new(POLICY);
        let mut now = SECOND;
        for _ in 0..POLICY.failure_threshold {
            let ticket = granted(&mut breaker, now);
            breaker.record(ticket, Verdict::Failure, now);
        }
        for recovers in windows {
            prop_assert_eq!(breaker.open_until(), Some(now + POLICY.open_for));
            now += POLICY.open_for;
            let admitted: Vec<_> = (0..callers).map(|_| breaker.admit(now)).collect();
            let trials: Vec<_> = admitted
                .iter()
                .filter_map(|a| if let Admission::Granted(ticket) = a { Some(*ticket) } else { None })
                .collect();
            prop_assert_eq!(trials.len(), 1);
            now += SECOND;
            if recovers {
                prop_assert_eq!(breaker.record(trials[0], Verdict::Success, now), Some(Position::Closed));
                prop_assert!((0..callers).all(|_| matches!(breaker.admit(now), Admission::Granted(_))));
                return Ok(());
            }
            prop_assert_eq!(breaker.record(trials[0], Verdict::Failure, now), Some(Position::Open));
        }
    }
}

#[test]
fn a_trial_that_came_to_nothing_is_wanted_again() {
    let mut breaker = Breaker::new(Policy { failure_threshold: 1, open_for: 10 * SECOND });
    assert_eq!(breaker.trial_due(), None);
    let Admission::Granted(ticket) = breaker.admit(SECOND) else { panic!("closed") };
    breaker.record(ticket, Verdict::Failure, SECOND);
    assert_eq!(breaker.trial_due(), Some(11 * SECOND));
    let Admission::Granted(trial) = breaker.admit(12 * SECOND) else { panic!("the trial") };
    assert_eq!(breaker.trial_due(), None);
    breaker.record(trial, Verdict::None, 13 * SECOND);
    assert_eq!(breaker.trial_due(), Some(12 * SECOND), "at once");
}

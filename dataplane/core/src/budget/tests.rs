//! Bounds that hold for any calls, and what is always left.

use super::*;
use proptest::prelude::*;

#[test]
fn a_window_allows_a_fifth_of_its_calls_and_a_hundred() {
    let mut budget = Budget::default();
    let granted = |budget: &mut Budget, now, calls| (0..500).filter(|_| budget.take(now, calls)).count();
    assert_eq!(granted(&mut budget, Duration::from_secs(20), 7_000), 100);
    assert_eq!(granted(&mut budget, Duration::from_secs(25), 7_500), 100, "a fifth of 500");
    assert_eq!(granted(&mut budget, Duration::from_secs(30), 7_500), 100, "a new window");
}

proptest! {
    /// Repetitions are calls too: they count where calls are counted.
    #[test]
    fn no_ten_seconds_repeat_more_than_two_windows_allow(
        steps in prop::collection::vec((0_u64..3_000, 0_u64..200, 0_u64..400), 1..60),
    ) {
        let mut budget = Budget::default();
        let (mut now, mut calls) = (Duration::from_secs(1), 0);
        // when each was asked for, the calls until then, and whether it was granted
        let mut asked: Vec<(Duration, u64, bool)> = Vec::new();
        for (ms, sent, wanted) in steps {
            now += Duration::from_millis(ms);
            calls += sent;
            for _ in 0..wanted {
                let granted = budget.take(now, calls);
                calls += u64::from(granted);
                asked.push((now, calls, granted));
            }
            let recent = || asked.iter().filter(|(at, ..)| now - *at < WINDOW);
            let granted = recent().filter(|(.., granted)| *granted).count() as u64;
            let refused = recent().any(|(at, _, granted)| *at == now && !granted);
            prop_assert!(!refused || granted >= ALWAYS, "refused after {}", granted);
            // ten seconds touch two windows, and the older one began less than ten seconds before them
            let before = asked.iter().rfind(|(at, ..)| now - *at >= 2 * WINDOW).map_or(0, |(_, calls, _)| *calls);
            prop_assert!(granted <= 2 * ALWAYS + (calls - before) / SHARE, "{} granted", granted);
        }
    }

    #[test]
    fn a_hundred_are_always_granted_in_a_window_that_begins(idle_s in 10_u64..1_000, calls in any::<u32>()) {
        let mut budget = Budget::default();
        let start = Duration::from_secs(20);
        while budget.take(start, 0) {}
        let later = start + Duration::from_secs(idle_s);
        prop_assert!((0..ALWAYS).all(|_| budget.take(later, u64::from(calls))));
        prop_assert!(!budget.take(later, u64::from(calls)));
    }
}

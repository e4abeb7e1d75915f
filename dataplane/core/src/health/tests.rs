//! The rows of spec 5.2, and random histories against the table read from the end of the history.

use super::*;
use proptest::prelude::*;

/// One letter per probe: Success, slow (L), Timeout, connection Refused, no Endpoint, Authentication.
#[track_caller]
fn check(probes: &str, expected: Health, message: &str) {
    let mut tracker = Tracker::default();
    for probe in probes.chars() {
        let sample = match probe {
            'S' => Sample::Success { slow: false },
            'L' => Sample::Success { slow: true },
            'T' => Sample::Failure(Cause::Timeout),
            'R' => Sample::Failure(Cause::Connection),
            'E' => Sample::Failure(Cause::NoEndpoint),
            _ => Sample::Failure(Cause::Authentication),
        };
        tracker.observe(sample, 3);
    }
    assert_eq!((tracker.health(), tracker.message().as_str()), (expected, message), "{probes}");
}

#[test]
fn every_row_of_the_table_of_spec_5_2() {
    check("", Health::Unknown, "Unknown");
    check("S", Health::Healthy, "Healthy");
    check("L", Health::Degraded, "Degraded performance");
    check("R", Health::Unknown, "Connection failed");
    check("RT", Health::Unknown, "Health check timed out (failures: 2)");
    check("RS", Health::Healthy, "Healthy");
    check("RRR", Health::Unhealthy, "Connection failed (failures: 3)");
    check("SRR", Health::Healthy, "Connection failed (failures: 2)");
    check("SR", Health::Healthy, "Connection failed");
    check("SRS", Health::Degraded, "Recovering from 1 failures");
    check("SRSS", Health::Healthy, "Healthy");
    check("STTT", Health::Unhealthy, "Health check timed out (failures: 3)");
    check("RRRRS", Health::Degraded, "Recovering from 4 failures");
    check("RRRRSS", Health::Healthy, "Healthy");
    check("RRRRSL", Health::Degraded, "Degraded performance");
    let auth = "Authentication misconfigured (backend requires auth, none configured)";
    check("A", Health::Unknown, "Authentication failed");
    check("AAA", Health::Unauthenticated, &format!("{auth} (failures: 3)"));
    check("AAR", Health::Unhealthy, "Connection failed (failures: 3)");
}

#[test]
fn a_backend_without_endpoints_is_unhealthy_at_once_and_well_as_soon_as_it_answers() {
    check("E", Health::Unknown, "No endpoint is ready");
    check("ES", Health::Healthy, "Healthy");
    check("EEE", Health::Unhealthy, "No endpoint is ready (failures: 3)");
    check("EEES", Health::Healthy, "Healthy");
    check("SE", Health::Unhealthy, "No endpoint is ready");
    check("SES", Health::Healthy, "Healthy");
    check("SER", Health::Unhealthy, "Connection failed (failures: 2)");
    check("SERS", Health::Degraded, "Recovering from 2 failures");
}

#[test]
fn a_challenge_proves_life_where_credentials_are_sent() {
    assert_eq!(Sample::challenged(true), Sample::Success { slow: false });
    assert_eq!(Sample::challenged(false), Sample::Failure(Cause::Authentication));
}

/// The health that spec 5.2 says follows from a whole history, read from its end.
fn by_the_table(history: &[Sample], threshold: usize) -> Health {
    let failed = |s: &Sample| matches!(s, Sample::Failure(_));
    let row = history.iter().rev().take_while(|s| failed(s)).count();
    let before = &history[..history.len() - row];
    if row >= threshold {
        return match history.last() {
            Some(Sample::Failure(Cause::Authentication)) => Health::Unauthenticated,
            _ => Health::Unhealthy,
        };
    }
    let Some((Sample::Success { slow }, earlier)) = before.split_last() else { return Health::Unknown };
    // a backend of which nothing was decided has nothing to recover from
    let recovers = earlier.last().is_some_and(failed) && by_the_table(earlier, threshold) != Health::Unknown;
    if *slow || recovers { Health::Degraded } else { Health::Healthy }
}

fn histories() -> impl Strategy<Value = Vec<Sample>> {
    let cause = prop_oneof![
        Just(Cause::Authentication),
        Just(Cause::Timeout),
        Just(Cause::Connection),
        Just(Cause::Unavailable),
        Just(Cause::Other),
    ];
    let sample = prop_oneof![
        any::<bool>().prop_map(|slow| Sample::Success { slow }),
        cause.prop_map(Sample::Failure),
    ];
    prop::collection::vec(sample, 0..40)
}

proptest! {
    #[test]
    fn random_histories_follow_the_table(history in histories(), threshold in 1_u32..6) {
        let mut tracker = Tracker::default();
        for n in 0..history.len() {
            let before = tracker.health();
            let changed = tracker.observe(history[n], threshold);
            let so_far = &history[..=n];
            prop_assert_eq!(tracker.health(), by_the_table(so_far, threshold as usize), "{:?}", so_far);
            prop_assert_eq!(changed, (tracker.health() != before).then(|| tracker.health()));
            let row = so_far.iter().rev().take_while(|s| matches!(s, Sample::Failure(_))).count();
            prop_assert_eq!(tracker.failures() as usize, row);
            let counted = tracker.message().ends_with(&format!(" (failures: {row})"));
            prop_assert_eq!(counted, row > 1, "{}", tracker.message());
        }
    }

    #[test]
    fn trackers_with_other_thresholds_differ_in_nothing_but_when_they_give_up(history in histories()) {
        let mut trackers: Vec<Tracker> = vec![Tracker::default(); 5];
        for sample in history {
            for (tracker, threshold) in trackers.iter_mut().zip(1..) {
                tracker.observe(sample, threshold);
            }
            let out = trackers.iter().map(|t| !t.health().is_used());
            let strict = out.clone().position(|out| !out).unwrap_or(trackers.len());
            prop_assert!(out.skip(strict).all(|out| !out), "a stricter one gives up first");
        }
    }
}

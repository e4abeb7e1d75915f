//! Where sessions go.

use super::*;
use proptest::prelude::*;

/// One letter per endpoint: its digit of sessions, then `d` if it drains and `x` if it is passed over. Whom the choice may
/// fall on, whatever is drawn.
#[track_caller]
fn check(endpoints: &str, expected: &[usize]) {
    let candidates: Vec<_> = endpoints.split_whitespace().map(candidate).collect();
    let mut chosen: Vec<_> = draws().filter_map(|random| choose(&candidates, random)).collect();
    chosen.sort_unstable();
    chosen.dedup();
    assert_eq!(chosen, expected, "{endpoints}");
}

fn candidate(text: &str) -> Candidate {
    let sessions = text.trim_end_matches(['d', 'x']).parse().expect("a number");
    Candidate { sessions, draining: text.contains('d'), passed_over: text.contains('x') }
}

/// Numbers over the whole range.
fn draws() -> impl Iterator<Item = u64> {
    (0..1_000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[test]
fn a_session_goes_to_the_lesser_of_two_that_are_well() {
    check("", &[]);
    check("7", &[0]);
    check("7 3", &[1]);
    check("3 3", &[0, 1]);
    check("9 5 1", &[1, 2]);
    check("1 1 1", &[0, 1, 2]);
    // draining ones and those passed over are taken when there is nothing better
    check("0d 9", &[1]);
    check("0x 9", &[1]);
    check("0x 5d", &[0]);
    check("0d 4dx", &[0]);
    check("0dx", &[0]);
    check("3d 2d", &[1]);
    check("0x 0x 0d", &[0, 1]);
}

#[test]
fn sessions_are_spread_evenly_and_a_newcomer_is_not_flooded() {
    let mut candidates = vec![candidate("0"); 5];
    for random in draws() {
        let chosen = choose(&candidates, random).expect("one");
        candidates[chosen].sessions += 1;
    }
    assert!(candidates.iter().all(|c| (195..=205).contains(&c.sessions)), "{candidates:?}");
    candidates.push(candidate("0"));
    let to_it = draws().take(100).filter(|r| choose(&candidates, *r) == Some(5)).count();
    assert!((25..=42).contains(&to_it), "two of six: {to_it}");
}

#[test]
fn the_name_of_an_endpoint_does_not_change_over_releases() {
    assert_eq!(EndpointId::of("10.0.0.1", 8080).get(), EXPECTED);
    assert_ne!(EndpointId::of("10.0.0.1", 8081), EndpointId::of("10.0.0.1", 8080));
    assert_ne!(EndpointId::of("10.0.0.2", 8080), EndpointId::of("10.0.0.1", 8080));
    assert_eq!(EndpointId::from_wire(0), None);
}

/// The first 4 bytes of the SHA-256 of host and port (2 bytes, big-endian).
const EXPECTED: u32 = 0xa75c_141e;

proptest! {
    #[test]
    fn a_choice_is_one_of_the_best(
        all in prop::collection::vec((0u32..9, any::<bool>(), any::<bool>()), 1..9),
        random in any::<u64>(),
    ) {
        let all: Vec<_> = all
            .into_iter()
            .map(|(sessions, draining, passed_over)| Candidate { sessions, draining, passed_over })
            .collect();
        let chosen = choose(&all, random).expect("there are some");
        prop_assert_eq!(all[chosen].rank(), all.iter().map(Candidate::rank).min().expect("there are some"));
    }
}

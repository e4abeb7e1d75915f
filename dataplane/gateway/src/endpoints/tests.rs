//! Edits of a list, and what stays over them.

use super::*;

const NOW: Duration = Duration::from_secs(100);

fn endpoint(port: u16, draining: bool) -> table::Endpoint {
    table::Endpoint { host: "10.0.0.1".into(), port, draining }
}

fn ready(ports: &[u16]) -> Vec<table::Endpoint> {
    ports.iter().map(|p| endpoint(*p, false)).collect()
}

fn id(port: u16) -> EndpointId {
    EndpointId::of("10.0.0.1", port)
}

/// Where the next sessions go, in order of ports, for many draws.
fn chosen(endpoints: &Endpoints, now: Duration) -> Vec<u16> {
    let draws = (0..100u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut ports: Vec<_> =
        draws.filter_map(|d| Some(endpoints.stay(|| d, now, &[])?.endpoint().port)).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[test]
fn who_stays_over_an_edit_is_the_same_and_who_goes_is_told_so() {
    let endpoints = Endpoints::new(&ready(&[1, 2]));
    let (one, two) = (endpoints.get(id(1)).expect("there"), endpoints.get(id(2)).expect("there"));
    endpoints.follow(&ready(&[3, 1]));
    assert!(Arc::ptr_eq(&one, &endpoints.get(id(1)).expect("there")) && !one.is_gone());
    assert!(two.is_gone());
    assert_eq!(endpoints.get(id(2)).err(), Some(NoPlace::Gone));
    endpoints.follow(&[]);
    assert_eq!(endpoints.get(id(1)).err(), Some(NoPlace::Empty));
    assert!(one.is_gone());
    endpoints.follow(&ready(&[1]));
    assert!(!endpoints.get(id(1)).expect("back").is_gone() && one.is_gone(), "what comes back is another");
}

#[test]
fn new_sessions_avoid_who_drains_or_was_not_reached_unless_there_is_nobody_else() {
    let endpoints = Endpoints::new(&[endpoint(1, false), endpoint(2, true), endpoint(3, false)]);
    assert_eq!(chosen(&endpoints, NOW), [1, 3]);
    endpoints.get(id(3)).expect("there").pass_over(NOW);
    assert_eq!(chosen(&endpoints, NOW), [1]);
    assert!(!endpoints.other(id(1), NOW) && endpoints.other(id(2), NOW));
    assert_eq!(chosen(&endpoints, NOW + PASSED_OVER), [1, 3], "only for a while");
    endpoints.get(id(3)).expect("there").reached();
    assert_eq!(chosen(&endpoints, NOW), [1, 3]);
    endpoints.follow(&[endpoint(2, true)]);
    assert_eq!(chosen(&endpoints, NOW), [2], "the last one");
    assert_eq!(endpoints.count(), (0, 1));
    let two = endpoints.get(id(2)).expect("there");
    assert!(!endpoints.to_be_left(&two, NOW));
    endpoints.follow(&[endpoint(1, false), endpoint(2, true)]);
    assert!(endpoints.to_be_left(&two, NOW));
}

#[test]
fn sessions_are_counted_while_they_stay() {
    let endpoints = Endpoints::new(&ready(&[1, 2]));
    let first = endpoints.stay(|| 0, NOW, &[]).expect("one");
    let second = endpoints.stay(|| 0, NOW, &[]).expect("the other");
    assert_ne!(first.endpoint().port, second.endpoint().port);
    let port = first.endpoint().port;
    drop(first);
    assert_eq!(chosen(&endpoints, NOW), [port]);
    assert!(endpoints.stay(|| 0, NOW, &[id(1), id(2)]).is_none(), "all were tried");
}

#[test]
fn requests_without_a_session_go_round_and_sessions_without_an_endpoint_to_the_first() {
    let endpoints = Endpoints::new(&[endpoint(1, false), endpoint(2, true), endpoint(3, false)]);
    let turns: Vec<_> = (0..4).map(|_| endpoints.place(b"", None, NOW)).collect();
    assert_eq!(turns, [Ok(id(1)), Ok(id(3)), Ok(id(1)), Ok(id(3))]);
    assert_eq!(endpoints.place(b"s", None, NOW), Ok(id(1)));
    assert_eq!(
        endpoints.place(b"s", Some(id(7)), NOW),
        Ok(id(7)),
        "that it is gone, shows when it is looked for"
    );
    endpoints.follow(&[]);
    assert_eq!(endpoints.place(b"", None, NOW), Err(NoPlace::Empty));
    assert_eq!(endpoints.place(b"s", None, NOW), Err(NoPlace::Empty));
}

//! The key ring.

use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::wire;

fn ring(ids: &[&str]) -> KeyRing {
    KeyRing { keys: ids.iter().map(|id| SessionKey { id: (*id).into(), secret: [7; 32] }).collect() }
}

#[track_caller]
fn check(ring: wire::KeyRing, expected: &str) {
    assert_eq!(KeyRing::try_from(ring).unwrap_err().to_string(), expected);
}

#[test]
fn a_ring_comes_back_from_the_wire_as_it_went() {
    let ring = ring(&["b", "a"]);
    assert_eq!(KeyRing::try_from(wire::KeyRing::from(&ring)), Ok(ring.clone()));
    assert_eq!(ring.ids(), ["b", "a"]);
}

#[test]
fn a_ring_has_one_to_sixteen_different_keys() {
    check(wire::KeyRing::default(), "keys: must not be empty");
    check((&ring(&["a"; 17])).into(), "keys: must have at most 16 items");
    check((&ring(&["a", "b", "a"])).into(), "keys[2].id: is a duplicate");
    check((&ring(&["a", ""])).into(), "keys[1].id: must not be empty");
    check((&ring(&[&"a".repeat(65)])).into(), "keys[0].id: must be at most 64 bytes long");
    let short = wire::SessionKey { id: "a".into(), secret: vec![7; 31] };
    check(wire::KeyRing { keys: vec![short] }, "keys[0].secret: must be 32 bytes long, not 31");
}

#[test]
fn secrets_are_never_shown() {
    let expected = r#"SessionKey { id: "a", secret: "(redacted)" }"#;
    let ring = ring(&["a"]);
    assert_eq!(format!("{:?}", ring.keys[0]), expected);
    assert_eq!(format!("{:?}", wire::KeyRing::from(&ring).keys[0]), expected);
}

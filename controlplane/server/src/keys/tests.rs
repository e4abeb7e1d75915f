use std::sync::Arc;

use super::dir::FILE;
use super::*;
use crate::state::StateDir;

const DAY: u64 = 24 * 3600;

fn key(id: &str, created: u64) -> DatedKey {
    DatedKey { key: SessionKey { id: id.into(), secret: [7; 32] }, created }
}

fn check_order(created: &[(&str, u64)], now: u64, expected: &[&str]) {
    let keys: Vec<_> = created.iter().map(|(id, at)| key(id, *at)).collect();
    assert_eq!(ring_at(&keys, now).ids(), expected, "at {now}");
}

#[test]
fn a_new_key_opens_before_it_seals() {
    let keys = [("new", 1000), ("mid", 500), ("old", 0)];
    check_order(&keys, 1000, &["mid", "new", "old"]);
    check_order(&keys, 1059, &["mid", "new", "old"]);
    check_order(&keys, 1060, &["new", "mid", "old"]);
    check_order(&[("only", 1000)], 1000, &["only"]);
    // the clock went backwards: the oldest is what every node has
    check_order(&keys[..2], 0, &["mid", "new"]);
}

#[test]
fn a_key_is_kept_for_seven_days_after_its_successor() {
    let keys = [key("c", 2 * DAY), key("b", DAY), key("a", 0)];
    assert_eq!(retire(&keys, 7 * DAY + DAY - 1).len(), 3);
    assert_eq!(retire(&keys, 7 * DAY + DAY).len(), 2);
    assert_eq!(retire(&keys, 100 * DAY).len(), 1);
}

#[test]
fn the_ring_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let state = Arc::new(StateDir::open(dir.path()).unwrap());
        KeyStore::open(state, Duration::from_secs(DAY)).unwrap().current().unwrap()
    };
    let first = open();
    assert_eq!(first.keys.len(), 1);
    assert_eq!(open(), first);
}

#[test]
fn rotation_adds_a_key_and_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let state = Arc::new(StateDir::open(dir.path()).unwrap());
    let mut store = KeyStore::open(state, Duration::from_secs(DAY)).unwrap();
    let start = now();
    store.rotate(start + DAY - 1).unwrap();
    assert_eq!(store.keys.len(), 1);
    for day in 1..30 {
        store.rotate(start + day * DAY + 1).unwrap();
    }
    assert_eq!(store.keys.len(), MAX_KEYS);
}

#[test]
fn an_unreadable_file_is_set_aside() {
    for content in ["", "{", r#"{"format":2,"keys":[]}"#, r#"{"format":1,"keys":[]}"#] {
        let dir = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDir::open(dir.path()).unwrap());
        state.write(FILE, content.as_bytes()).unwrap();
        let mut store = KeyStore::open(Arc::clone(&state), Duration::from_secs(DAY)).unwrap();
        assert_eq!(store.current().unwrap().keys.len(), 1, "{content}");
        assert!(dir.path().join("session-keys.unreadable").exists(), "{content}");
    }
}

#[test]
fn a_bad_secret_is_refused_without_being_quoted() {
    let text = r#"{"format":1,"keys":[{"id":"a","secret":"zz","created_unix":0}]}"#;
    assert_eq!(file::decode(text.as_bytes()).unwrap_err().to_string(), "key 0 is malformed");
}

//! Last-known-good as bytes.

use proptest::prelude::*;
use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::persist::{PersistError, Saved, decode, decode_keys, encode, encode_keys};
use tidegate_proto::table::Table;

use crate::arbitrary;

proptest! {
    #[test]
    fn a_table_comes_back_as_it_was_written(table in arbitrary::table(), epoch in any::<u64>()) {
        prop_assert_eq!(decode(&encode(&table, epoch)), Ok(Saved { table, epoch }));
    }

    #[test]
    fn any_flipped_bit_is_noticed(table in arbitrary::table(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = encode(&table, 7);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn any_truncation_is_named(table in arbitrary::table(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&table, 7);
        let at = at.index(bytes.len());
        let is_truncated = matches!(decode(&bytes[..at]), Err(PersistError::Truncated { .. }));
        prop_assert!(is_truncated);
    }

    #[test]
    fn foreign_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(decode_keys(&bytes).is_err());
    }
}

#[track_caller]
fn check(edit: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let mut bytes = encode(&Table::default(), 0);
    edit(&mut bytes);
    assert_eq!(decode(&bytes).unwrap_err().to_string(), expected);
}

#[test]
fn each_kind_of_damage_has_a_name() {
    check(|b| b.clear(), "is truncated: 0 bytes of 52");
    check(|b| b.truncate(51), "is truncated: 51 bytes of 52");
    check(|b| b[0] = b'X', "does not begin with the mark of its kind");
    check(|b| b.push(0), "has 1 bytes after its end");
    check(|b| b[11] = 2, "has format 2; this version reads up to format 1");
    check(|b| b[11] = 0, "has a wrong checksum");
    check(|b| b[19] = 9, "is truncated: 52 bytes of 61");
    check(|b| b[20] ^= 1, "has a wrong checksum");
}

#[test]
fn keys_have_a_file_of_their_own_kind() {
    let ring = KeyRing { keys: vec![SessionKey { id: "k1".into(), secret: [9; 32] }] };
    let bytes = encode_keys(&ring);
    assert_eq!(decode_keys(&bytes), Ok(ring));
    assert_eq!(decode(&bytes), Err(PersistError::Magic));
    assert_eq!(decode_keys(&encode(&Table::default(), 0)), Err(PersistError::Magic));
    assert_eq!(
        decode_keys(&bytes[..bytes.len() - 1]).unwrap_err().to_string(),
        "is truncated: 91 bytes of 92"
    );
}

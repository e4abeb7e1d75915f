//! Deltas and digests.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use tidegate_proto::delta::diff;
use tidegate_proto::digest::{Digests, EntryDigest, TableDigest};
use tidegate_proto::table::Table;

use crate::arbitrary;

proptest! {
    #[test]
    fn a_diff_leads_from_one_table_to_the_other(old in arbitrary::table(), new in arbitrary::table()) {
        let delta = diff(&old, &new);
        prop_assert_eq!(&old.with(&delta), &new);
        let mut applied = old.clone();
        applied.apply(&delta);
        prop_assert_eq!(&applied, &new);
        prop_assert!(delta.upserts.keys().all(|key| delta.contains(key) && !delta.removals.contains(key)));
        prop_assert_eq!(delta.is_empty(), old == new);
        prop_assert_eq!(delta.len(), delta.upserts.len() + delta.removals.len());
    }

    #[test]
    fn a_diff_of_equals_is_empty_whether_shared_or_not(table in arbitrary::table()) {
        prop_assert!(diff(&table, &table.clone()).is_empty());
        prop_assert!(diff(&table, &unshared(&table)).is_empty());
    }

    #[test]
    fn what_a_step_does_not_touch_is_shared(old in arbitrary::table(), new in arbitrary::table()) {
        let delta = diff(&old, &new);
        for (key, entry) in &old.with(&delta).entries {
            if !delta.contains(key) {
                prop_assert!(Arc::ptr_eq(entry, &old.entries[key]));
            }
        }
    }

    #[test]
    fn digests_are_equal_exactly_when_tables_are(a in arbitrary::table(), b in arbitrary::table()) {
        prop_assert_eq!(TableDigest::of(&a), TableDigest::of(&unshared(&a)));
        prop_assert_eq!(TableDigest::of(&a) == TableDigest::of(&b), a == b);
    }

    #[test]
    fn entry_digests_are_equal_exactly_when_entries_are(a in arbitrary::entry(), b in arbitrary::entry()) {
        prop_assert_eq!(EntryDigest::of(&a) == EntryDigest::of(&b), a == b);
    }

    #[test]
    fn digests_taken_over_are_those_computed(old in arbitrary::table(), new in arbitrary::table()) {
        prop_assert_eq!(Digests::of(&old).after(&diff(&old, &new)), Digests::of(&new));
    }

    #[test]
    fn digests_differ_where_tables_do(old in arbitrary::table(), new in arbitrary::table()) {
        let (held, wanted, delta) = (Digests::of(&old), Digests::of(&new), diff(&old, &new));
        prop_assert_eq!(held.news(&wanted).collect::<BTreeSet<_>>(), delta.upserts.keys().collect());
        prop_assert_eq!(held.gone(&wanted).collect::<BTreeSet<_>>(), delta.removals.iter().collect());
    }
}

#[test]
fn digests_are_shown_in_hex() {
    let digest = EntryDigest::from([0xab; 32]);
    assert_eq!(digest.to_string(), "ab".repeat(32));
    assert_eq!(digest.short(), "ab".repeat(6));
    assert_eq!(format!("{digest:?}"), "EntryDigest(abababababab)");
    let error = EntryDigest::try_from(&[0; 31][..]).unwrap_err();
    assert_eq!(error.to_string(), "digest: must be 32 bytes long, not 31");
}

/// The digest of the empty table is written down: it changes only with the format.
#[test]
fn the_digest_of_the_empty_table_is_stable() {
    let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(TableDigest::of(&Table::default()).to_string(), expected);
}

fn unshared(table: &Table) -> Table {
    Table { entries: table.entries.iter().map(|(k, e)| (k.clone(), Arc::new((**e).clone()))).collect() }
}

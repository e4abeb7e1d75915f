//! Envelopes against serde_json; see the oracle, which the property tests share.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/json_oracle.rs"]
mod json_oracle;

fuzz_target!(|b: &[u8]| json_oracle::compare(b));

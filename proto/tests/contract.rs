//! Conversion, digests, deltas and last-known-good, by examples and by properties.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "contract/arbitrary.rs"]
mod arbitrary;
#[path = "contract/conversion.rs"]
mod conversion;
#[path = "contract/delta.rs"]
mod delta;
#[path = "contract/keys.rs"]
mod keys;
#[path = "contract/persist.rs"]
mod persist;

//! The CRDs before a real API server (spec 10.1 A), and what they have in common with the types.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod admission;
mod examples;
mod fields;
mod listing;
mod rules;
mod sample;
mod schema;
mod versions;

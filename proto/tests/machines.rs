//! The two ends of the push protocol, rule by rule.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "machines/control.rs"]
mod control;
#[path = "machines/fixture.rs"]
mod fixture;
#[path = "machines/node.rs"]
mod node;

//! The real binary `tidegate`, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod bridge;
mod cluster;
mod completions;
mod get;
mod planes;
mod processes;
mod supervision;
mod validate;

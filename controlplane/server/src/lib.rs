//! The control plane: watches sources, compiles what they hold into a routing table, pushes it to the nodes, and answers
//! what people ask. Decides little itself: what resources mean is `compile`'s, how tables reach nodes is `proto`'s.
//! Must not know how anything is served.
//!
//! [`run::ControlPlane`] is the whole; [`check::check_dir`] and [`commands::DirCommands`] are for the CLI.

pub mod admin;
pub mod args;
pub mod check;
pub mod cluster;
pub mod commands;
pub mod identity;
pub mod inspect;
pub mod keys;
pub mod logging;
pub mod metrics;
pub mod pipeline;
pub mod push;
pub mod run;
pub mod secrets;
pub mod source;
pub mod state;
pub mod status;

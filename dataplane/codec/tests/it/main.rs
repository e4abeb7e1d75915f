//! One binary for all integration tests of the codec.

#![allow(clippy::unwrap_used, reason = "clippy knows tests, but not the functions that they share")]

mod chunked;
mod forwarding;
mod httparse_agrees;
mod hyper_agrees;
mod json_oracle;
mod json_properties;
mod json_tables;
mod media;
mod requests;
mod responses;
mod smuggling;
mod sse;

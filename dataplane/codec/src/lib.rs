//! The gateway's bytes: HTTP/1.1 heads and framing, JSON-RPC envelopes and server-sent events.
//!
//! Everything here is a function over byte slices or a small state machine fed with them. This crate does no
//! I/O, knows no clock, no configuration and no policy, and on the path of a plain call it allocates nothing and
//! copies nothing: results are ranges of, or references into, the caller's buffer.
//!
//! It is a security boundary and strict by construction. Where the standards leave a recipient free to be
//! lenient, it refuses: whoever reads the same bytes next, a backend or another proxy, must not be able to read
//! them differently.
//!
//! Entry points: [`http::request`], [`http::response`], [`chunked::BodyFollower`], [`json::peek`] and
//! [`sse::SseParser`].

pub mod chunked;
pub mod http;
pub mod json;
pub mod sse;
mod word;

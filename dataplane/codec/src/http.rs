//! HTTP/1.1 heads: parsing, framing, and which fields may go on.
//!
//! The tokenizer is `httparse`; its leniencies (bare LF, empty lines before a head, non-ASCII targets) are taken
//! back here, and the rules that make framing unambiguous are added.

use std::mem::MaybeUninit;

pub(crate) mod class;
mod error;
mod field;
mod grammar;
mod media;
mod nominated;
mod request;
mod response;

pub use error::HttpError;
pub use media::{ContentType, accepts, is_json};
pub use request::{Framing, RequestHead, request};
pub use response::{ResponseFraming, ResponseHead, response};

/// Header fields a head may have; one more is [`HttpError::TooManyHeaders`].
pub const MAX_HEADERS: usize = 64;

/// Bytes a head may have, with its start line and the empty line that ends it.
pub const MAX_HEAD: usize = 32 * 1024;

/// Bytes a request target may have.
pub const MAX_TARGET: usize = 8 * 1024;

/// Room for the fields of one head. It is never cleared: clearing 2 KiB twice a request is measurable.
pub type Headers<'b> = [MaybeUninit<httparse::Header<'b>>; MAX_HEADERS];

/// Fresh room for the fields of one head.
#[inline]
pub fn headers<'b>() -> Headers<'b> {
    [MaybeUninit::uninit(); MAX_HEADERS]
}

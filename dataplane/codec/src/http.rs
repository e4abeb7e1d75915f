//! HTTP/1.1 heads: parsing, framing, and which fields may go on.
//!
//! Strict by construction: one form of each line is taken ([`lines`]), and the rules that make framing unambiguous stand
//! above that. The tests hold it against `hyper` and `httparse`.

pub(crate) mod class;
mod error;
mod field;
mod grammar;
mod lines;
mod media;
mod nominated;
mod request;
mod response;

pub use error::HttpError;
pub use lines::Headers;
pub use media::{ContentType, accepts, is_json};
pub use request::{Framing, RequestHead, request};
pub use response::{ResponseFraming, ResponseHead, response};

/// Header fields a head may have; one more is [`HttpError::TooManyHeaders`].
pub const MAX_HEADERS: usize = 64;

/// Bytes a head may have, with its start line and the empty line that ends it.
pub const MAX_HEAD: usize = 32 * 1024;

/// Bytes a request target may have.
pub const MAX_TARGET: usize = 8 * 1024;

/// Fresh room for the fields of one head.
#[inline]
pub fn headers() -> Headers {
    Headers::new()
}

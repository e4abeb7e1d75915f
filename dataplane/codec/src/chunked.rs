//! Body framing: chunks, and following any body to its end.
//!
//! One state machine serves both uses: [`Chunked::feed`] follows a body that passes through untouched,
//! [`Chunked::decode`] takes the framing off. Both can stop and go on at every byte.

mod follower;
mod machine;

pub use follower::BodyFollower;
pub use machine::Chunked;

/// Bytes of chunk extensions allowed in one chunk-size line.
pub const MAX_EXTENSION: usize = 256;

/// Bytes of chunk extensions allowed in one body: a chunk of one byte must not cost a line each for ever.
pub const MAX_EXTENSIONS: usize = 16 * 1024;

/// Bytes of trailer fields allowed, line ends included.
pub const MAX_TRAILERS: usize = 8 * 1024;

/// Hexadecimal digits allowed in a chunk size.
pub const MAX_SIZE_DIGITS: u8 = 15;

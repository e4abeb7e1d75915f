//! Finding the end of a body, however it is delimited.

use super::Chunked;
use crate::http::HttpError;

/// Follows a body of any framing, without touching it.
#[derive(Debug, Clone, Copy)]
pub enum BodyFollower {
    /// That many bytes are still to come.
    Left(u64),
    /// Chunks.
    Chunked(Chunked),
    /// Until the connection closes: [`feed`](Self::feed) never reports the end.
    UntilClose,
}

impl BodyFollower {
    /// How many of these bytes belong to the body, and whether it ended with them.
    #[inline]
    pub fn feed(&mut self, b: &[u8]) -> Result<(usize, bool), HttpError> {
        match self {
            Self::Left(left) => {
                let n = usize::try_from(*left).map_or(b.len(), |left| left.min(b.len()));
                *left -= n as u64;
                Ok((n, *left == 0))
            }
            Self::Chunked(c) => c.feed(b),
            Self::UntilClose => Ok((b.len(), false)),
        }
    }
}

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

    /// Stands between two chunks of a chunked body.
    pub fn between_chunks(&self) -> bool {
        matches!(self, Self::Chunked(c) if c.between_chunks())
    }

    /// Appends the data among these bytes to `out`, which never grows beyond `limit`; says as [`feed`](Self::feed)
    /// how many bytes were used and whether the body ended.
    pub fn decode(&mut self, b: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(usize, bool), HttpError> {
        if let Self::Chunked(c) = self {
            return c.decode(b, out, limit);
        }
        let (n, done) = self.feed(b)?;
        if n > limit.saturating_sub(out.len()) {
            return Err(HttpError::BodyTooLarge);
        }
        out.extend_from_slice(&b[..n]);
        Ok((n, done))
    }
}

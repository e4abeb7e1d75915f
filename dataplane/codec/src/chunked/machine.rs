//! The chunk state machine.

use super::{MAX_EXTENSION, MAX_EXTENSIONS, MAX_SIZE_DIGITS, MAX_TRAILERS};
use crate::http::{HttpError, class};

/// Follows or decodes chunked framing. Strict: lines end in CRLF, no whitespace around a size, no control
/// characters, and every part is bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chunked {
    state: State,
    /// bytes of the current chunk still to come; while its size is read, that size so far
    left: u64,
    digits: u8,
    /// bytes of extension in this line
    line: u16,
    extensions: u16,
    trailers: u16,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// first digit of a size
    #[default]
    Size,
    SizeMore,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// first byte of a trailer line
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl Chunked {
    /// How many of these bytes belong to the body, and whether it ended with them.
    #[inline]
    pub fn feed(&mut self, b: &[u8]) -> Result<(usize, bool), HttpError> {
        self.run(b, |_| Ok(()))
    }

    /// Appends the data among these bytes to `out`, which never grows beyond `limit`; says as [`feed`](Self::feed)
    /// how many bytes were used and whether the body ended. Data of a chunk too large for `limit` is refused as
    /// soon as it arrives.
    #[inline]
    pub fn decode(&mut self, b: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(usize, bool), HttpError> {
        self.run(b, |data| {
            if data.len() > limit.saturating_sub(out.len()) {
                return Err(HttpError::BodyTooLarge);
            }
            out.extend_from_slice(data);
            Ok(())
        })
    }

    /// Stands between two chunks, or before the first one.
    pub fn between_chunks(&self) -> bool {
        self.state == State::Size
    }

    fn run(
        &mut self,
        b: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), HttpError>,
    ) -> Result<(usize, bool), HttpError> {
        let mut i = 0;
        while self.state != State::Done && i < b.len() {
            if self.state == State::Data {
                let rest = b.len() - i;
                let n = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                sink(&b[i..i + n])?;
                self.left -= n as u64;
                i += n;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.step(b[i])?;
                i += 1;
            }
        }
        Ok((i, self.state == State::Done))
    }

    /// One byte outside of data.
    fn step(&mut self, c: u8) -> Result<State, HttpError> {
        match (self.state, c) {
            (State::Size, _) => {
                (self.left, self.digits, self.line) = (0, 0, 0);
                self.digit(c)
            }
            (State::SizeMore, b'\r') => Ok(State::SizeLf),
            (State::SizeMore, b';') => self.extension(),
            (State::SizeMore, _) => self.digit(c),
            (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, _) if class::is(c, class::TEXT) => self.extension(),
            (State::SizeLf, b'\n') if self.left == 0 => Ok(State::Trailer),
            (State::SizeLf, b'\n') => Ok(State::Data),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size),
            (State::EndLf, b'\n') => Ok(State::Done),
            (State::Trailer, b'\r') => Ok(State::EndLf),
            (State::Trailer | State::TrailerName | State::TrailerValue | State::TrailerLf, _) => {
                self.trailer(c)
            }
            (State::Extension, _) => Err(HttpError::BadRequest("chunk extension")),
            _ => Err(HttpError::BadRequest("chunk line end")),
        }
    }

    fn digit(&mut self, c: u8) -> Result<State, HttpError> {
        let digit = char::from(c).to_digit(16).ok_or(HttpError::BadRequest("chunk size"))?;
        if self.digits == MAX_SIZE_DIGITS {
            return Err(HttpError::BadRequest("chunk size"));
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        Ok(State::SizeMore)
    }

    fn extension(&mut self) -> Result<State, HttpError> {
        self.line += 1;
        self.extensions += 1;
        if usize::from(self.line) > MAX_EXTENSION || usize::from(self.extensions) > MAX_EXTENSIONS {
            return Err(HttpError::BadRequest("chunk extension too long"));
        }
        Ok(State::Extension)
    }

    fn trailer(&mut self, c: u8) -> Result<State, HttpError> {
        self.trailers += 1;
        if usize::from(self.trailers) > MAX_TRAILERS {
            return Err(HttpError::BadRequest("trailers too long"));
        }
        match (self.state, c) {
            (State::Trailer | State::TrailerName, c) if class::is(c, class::TOKEN) => Ok(State::TrailerName),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, c) if class::is(c, class::TEXT) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::Trailer),
            _ => Err(HttpError::BadRequest("trailer")),
        }
    }
}

//! Reading events.

use super::{MAX_EVENT, MAX_LINE};
use memchr::memchr2;

/// One event: the fields between two empty lines. It is given out when it had any field that counts, also with
/// empty data, since an id alone already moves the point to resume from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'p> {
    /// `id`, when this event has one; an empty one resets the last id.
    pub id: Option<&'p str>,
    /// `event`: its type.
    pub event: Option<&'p str>,
    /// The `data` lines, joined with LF. Not checked to be UTF-8.
    pub data: &'p [u8],
    /// `retry`, in milliseconds.
    pub retry: Option<u64>,
}

/// Why a stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line beyond the limit.
    #[error("line of an event stream too long")]
    LineTooLong,
    /// Data of one event beyond the limit.
    #[error("event too large")]
    EventTooLarge,
    /// An `id` or `event` that is not UTF-8.
    #[error("field of an event is not UTF-8")]
    NotUtf8,
}

/// Reads a stream in any pieces. Lines end in LF, CR or CRLF; one byte order mark at the start is skipped. Its
/// buffers are kept from event to event.
#[derive(Debug)]
pub struct SseParser {
    max_line: usize,
    max_event: usize,
    /// the beginning of a line whose end has not come
    partial: Vec<u8>,
    /// the last byte was CR: an LF that follows belongs to it
    after_cr: bool,
    /// the first line was not read yet
    at_start: bool,
    /// the fields were given out: the next line begins another event
    given_out: bool,
    id: Option<String>,
    event: Option<String>,
    data: Vec<u8>,
    has_data: bool,
    retry: Option<u64>,
}

impl Default for SseParser {
    fn default() -> Self {
        Self::new(MAX_LINE, MAX_EVENT)
    }
}

impl SseParser {
    /// A parser at the start of a stream, with bounds for a line and for the data of one event, in bytes.
    pub fn new(max_line: usize, max_event: usize) -> Self {
        Self {
            max_line,
            max_event,
            partial: Vec::new(),
            after_cr: false,
            at_start: true,
            given_out: false,
            id: None,
            event: None,
            data: Vec::new(),
            has_data: false,
            retry: None,
        }
    }

    /// Takes bytes off the front of `input` up to the end of the next event, and gives that; `None` when `input`
    /// is used up. After an error the stream cannot be read further.
    pub fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<Event<'_>>, SseError> {
        while !input.is_empty() {
            if std::mem::take(&mut self.after_cr) && input[0] == b'\n' {
                *input = &input[1..];
                continue;
            }
            let Some(end) = memchr2(b'\r', b'\n', input) else {
                self.bound(input.len())?;
                self.partial.extend_from_slice(input);
                *input = &[];
                break;
            };
            self.bound(end)?;
            let line = &input[..end];
            self.after_cr = input[end] == b'\r';
            *input = &input[end + 1..];
            if self.line(line)? {
                return Ok(Some(self.give_out()));
            }
        }
        Ok(None)
    }

    fn bound(&self, more: usize) -> Result<(), SseError> {
        if self.partial.len() + more > self.max_line { Err(SseError::LineTooLong) } else { Ok(()) }
    }

    /// Reads a line, with what came before of it; true when it ends an event.
    fn line(&mut self, rest: &[u8]) -> Result<bool, SseError> {
        if self.partial.is_empty() {
            return self.whole_line(rest);
        }
        let mut line = std::mem::take(&mut self.partial);
        line.extend_from_slice(rest);
        let ends = self.whole_line(&line);
        line.clear();
        self.partial = line;
        ends
    }

    fn whole_line(&mut self, mut line: &[u8]) -> Result<bool, SseError> {
        if std::mem::take(&mut self.given_out) {
            (self.id, self.event, self.retry, self.has_data) = (None, None, None, false);
            self.data.clear();
        }
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.has_data || self.id.is_some() || self.event.is_some() || self.retry.is_some());
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        self.field(name, value.strip_prefix(b" ").unwrap_or(value))?;
        Ok(false)
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), SseError> {
        let text = || str::from_utf8(value).map(str::to_owned).map_err(|_| SseError::NotUtf8);
        match name {
            b"data" => {
                if self.data.len() + value.len() + 1 > self.max_event {
                    return Err(SseError::EventTooLarge);
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => self.event = Some(text()?),
            b"id" if !value.contains(&0) => self.id = Some(text()?),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry = text()?.parse().ok().or(self.retry);
            }
            _ => {}
        }
        Ok(())
    }

    fn give_out(&mut self) -> Event<'_> {
        self.given_out = true;
        Event { id: self.id.as_deref(), event: self.event.as_deref(), data: &self.data, retry: self.retry }
    }
}

/// The first line, and what follows its end if it has one.
pub(super) fn split_line(b: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr2(b'\r', b'\n', b) {
        None => (b, None),
        Some(i) if b[i..].starts_with(b"\r\n") => (&b[..i], Some(&b[i + 2..])),
        Some(i) => (&b[..i], Some(&b[i + 1..])),
    }
}

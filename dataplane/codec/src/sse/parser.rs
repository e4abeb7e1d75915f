//! Reading events.

use super::{MAX_EVENT, MAX_LINE};
use memchr::{memchr, memchr2};

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
    fields: Fields,
}

/// What the lines of the current event said so far.
#[derive(Debug, Default)]
struct Fields {
    id: String,
    has_id: bool,
    event: String,
    has_event: bool,
    data: Vec<u8>,
    has_data: bool,
    retry: Option<u64>,
}

/// Buffers larger than this are not kept: a stream may idle for hours after one large event.
const KEPT: usize = 64 * 1024;

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
            fields: Fields::default(),
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
        empty(&mut line);
        self.partial = line;
        ends
    }

    fn whole_line(&mut self, mut line: &[u8]) -> Result<bool, SseError> {
        if std::mem::take(&mut self.given_out) {
            self.fields.reset();
        }
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.fields.any());
        }
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        self.fields.read(name, value.strip_prefix(b" ").unwrap_or(value), self.max_event)?;
        Ok(false)
    }

    fn give_out(&mut self) -> Event<'_> {
        self.given_out = true;
        let f = &self.fields;
        Event {
            id: f.has_id.then_some(&f.id),
            event: f.has_event.then_some(&f.event),
            data: &f.data,
            retry: f.retry,
        }
    }
}

impl Fields {
    fn any(&self) -> bool {
        self.has_data || self.has_id || self.has_event || self.retry.is_some()
    }

    fn reset(&mut self) {
        empty(&mut self.data);
        (self.has_id, self.has_event, self.has_data, self.retry) = (false, false, false, None);
    }

    fn read(&mut self, name: &[u8], value: &[u8], max_event: usize) -> Result<(), SseError> {
        match name {
            b"data" => {
                if self.data.len() + usize::from(self.has_data) + value.len() > max_event {
                    return Err(SseError::EventTooLarge);
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => {
                replace(&mut self.event, value)?;
                self.has_event = true;
            }
            b"id" if !value.contains(&0) => {
                replace(&mut self.id, value)?;
                self.has_id = true;
            }
            b"retry" => self.retry = milliseconds(value).or(self.retry),
            _ => {}
        }
        Ok(())
    }
}

fn replace(text: &mut String, value: &[u8]) -> Result<(), SseError> {
    text.clear();
    text.push_str(str::from_utf8(value).map_err(|_| SseError::NotUtf8)?);
    Ok(())
}

fn milliseconds(value: &[u8]) -> Option<u64> {
    // digits only: `parse` alone would take a sign
    let digits = str::from_utf8(value).ok().filter(|v| v.bytes().all(|c| c.is_ascii_digit()))?;
    digits.parse().ok()
}

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT);
}

/// The first line, and what follows its end if it has one.
pub(super) fn split_line(b: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr2(b'\r', b'\n', b) {
        None => (b, None),
        Some(i) if b[i..].starts_with(b"\r\n") => (&b[..i], Some(&b[i + 2..])),
        Some(i) => (&b[..i], Some(&b[i + 1..])),
    }
}

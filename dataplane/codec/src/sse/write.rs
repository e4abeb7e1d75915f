//! Writing events.

use memchr::memchr3;

/// A comment that keeps an idle stream open.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Appends one event. Data is cut into one `data:` line at each CR, LF or CRLF. An event type or id with a line
/// end in it cannot be written and is left out, since the rest would become a field of its own; so is an id with
/// NUL, which readers ignore.
pub fn write_event(out: &mut Vec<u8>, event: Option<&str>, id: Option<&str>, data: &[u8]) {
    out.reserve(data.len() + 32);
    for (name, value, never) in [(&b"event: "[..], event, b'\n'), (b"id: ", id, 0)] {
        if let Some(value) = value.filter(|v| memchr3(b'\r', b'\n', never, v.as_bytes()).is_none()) {
            out.extend_from_slice(name);
            out.extend_from_slice(value.as_bytes());
            out.push(b'\n');
        }
    }
    let mut rest = data;
    loop {
        let (line, next) = super::parser::split_line(rest);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    out.push(b'\n');
}

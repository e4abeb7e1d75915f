//! Media types: `Accept` and `Content-Type`.

use super::class;
use memchr::memchr3;

/// What a response's `Content-Type` says, as far as MCP tells types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`, in UTF-8.
    Json,
    /// `text/event-stream`.
    EventStream,
    /// Anything else.
    Other,
    /// No such field.
    Absent,
}

impl ContentType {
    pub(super) fn of(value: Option<&[u8]>) -> Self {
        match value {
            None => Self::Absent,
            v if is_json(v) => Self::Json,
            Some(v) if essence(v).0.eq_ignore_ascii_case(b"text/event-stream") => Self::EventStream,
            Some(_) => Self::Other,
        }
    }
}

/// Does an `Accept` field allow `media` (`type/subtype`)? The most specific range that matches decides, so
/// `text/event-stream;q=0, */*` refuses event streams. No field at all allows nothing: MCP demands one.
pub fn accepts(accept: Option<&[u8]>, media: &str) -> bool {
    preference(accept.unwrap_or_default(), media).is_some_and(|(_, wanted)| wanted)
}

/// The most specific range for `media`: how specific, and whether its weight is above 0.
pub(super) fn preference(accept: &[u8], media: &str) -> Option<(u8, bool)> {
    // what clients send is a plain list that names the type as we do
    let plain = memchr3(b'"', b';', b'*', accept).is_none();
    if plain {
        let named = |range: &[u8]| range.trim_ascii().eq_ignore_ascii_case(media.as_bytes());
        return accept.split(|c| *c == b',').any(named).then_some((EXACT, true));
    }
    elements(accept, b',')
        .filter_map(|range| {
            let (essence, parameters) = essence(range);
            let wanted = !elements(parameters, b';').any(is_zero_weight);
            specificity(essence, media.as_bytes()).map(|s| (s, wanted))
        })
        .max()
}

/// Is this `application/json`? A charset other than UTF-8 is not: a backend that obeys it would read another
/// message than we did.
pub fn is_json(content_type: Option<&[u8]>) -> bool {
    let Some(value) = content_type else { return false };
    if value == b"application/json" {
        return true;
    }
    let (essence, parameters) = essence(value);
    essence.eq_ignore_ascii_case(b"application/json") && elements(parameters, b';').all(is_harmless_parameter)
}

/// `type/subtype`, and the parameters behind it.
fn essence(value: &[u8]) -> (&[u8], &[u8]) {
    match value.iter().position(|c| *c == b';') {
        Some(i) => (value[..i].trim_ascii(), &value[i + 1..]),
        None => (value.trim_ascii(), &[]),
    }
}

/// The specificity of a range that names type and subtype.
const EXACT: u8 = 2;

fn specificity(range: &[u8], media: &[u8]) -> Option<u8> {
    if range.eq_ignore_ascii_case(media) {
        return Some(EXACT);
    }
    let slash = media.iter().position(|c| *c == b'/')?;
    match range {
        b"*/*" => Some(0),
        [kind @ .., b'/', b'*'] if kind.eq_ignore_ascii_case(&media[..slash]) => Some(1),
        _ => None,
    }
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter.split_at_checked(2) {
        Some((q, weight)) if q.eq_ignore_ascii_case(b"q=") => match weight {
            [b'0'] => true,
            [b'0', b'.', digits @ ..] => digits.iter().all(|d| *d == b'0'),
            _ => false,
        },
        _ => false,
    }
}

fn is_harmless_parameter(parameter: &[u8]) -> bool {
    let Some(eq) = parameter.iter().position(|c| *c == b'=') else { return false };
    let (name, value) = (&parameter[..eq], &parameter[eq + 1..]);
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        plain => plain,
    };
    class::all(name, class::TOKEN)
        && class::all(value, class::TOKEN)
        && (!name.eq_ignore_ascii_case(b"charset") || value.eq_ignore_ascii_case(b"utf-8"))
}

/// The non-empty elements of a list, trimmed; separators inside of quotes do not separate.
fn elements(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |c| {
        let hit = !quoted && *c == separator;
        match *c {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        hit
    })
    .map(|e| e.trim_ascii())
    .filter(|e| !e.is_empty())
}

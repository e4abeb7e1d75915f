//! The small grammars inside the lines of a head.

use super::{HttpError, MAX_TARGET, class};

/// `Content-Length`: digits only, at most 18, so that no value overflows.
#[inline]
pub(super) fn length(v: &[u8]) -> Result<u64, HttpError> {
    if v.is_empty() || v.len() > 18 || !v.iter().all(u8::is_ascii_digit) {
        return Err(HttpError::BadRequest("content-length"));
    }
    Ok(v.iter().fold(0, |n, c| n * 10 + u64::from(c - b'0')))
}

/// Origin form only: `/path?query` in the characters of RFC 3986, escapes complete, no fragment. Absolute,
/// authority and asterisk form are refused, not normalised.
#[inline]
pub(super) fn target(t: &[u8]) -> Result<&str, HttpError> {
    if t.len() > MAX_TARGET {
        return Err(HttpError::TargetTooLong);
    }
    if t.first() != Some(&b'/') {
        return Err(HttpError::BadRequest("target is not in origin form"));
    }
    let escaped = |i: usize| t.get(i + 1..i + 3).is_some_and(|x| x.iter().all(u8::is_ascii_hexdigit));
    let ok = t.iter().enumerate().all(|(i, c)| class::is(*c, class::TARGET) || (*c == b'%' && escaped(i)));
    // what is of these characters is ASCII
    str::from_utf8(t).ok().filter(|_| ok).ok_or(HttpError::BadRequest("target"))
}

/// `Host`: a name or address and an optional port. No user, no list, no escapes, not empty.
#[inline]
pub(super) fn host(h: &[u8]) -> Result<(), HttpError> {
    let (name, rest) = match h.first() {
        Some(b'[') => h.split_at(h.iter().position(|c| *c == b']').map_or(0, |i| i + 1)),
        _ => h.split_at(h.iter().position(|c| *c == b':').unwrap_or(h.len())),
    };
    let port = match rest {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let name_ok = match name {
        [b'[', inner @ .., b']'] => {
            !inner.is_empty() && inner.iter().all(|c| c.is_ascii_hexdigit() || matches!(c, b':' | b'.'))
        }
        _ => class::all(name, class::HOST),
    };
    if port && name_ok && h.len() <= 300 { Ok(()) } else { Err(HttpError::BadRequest("host")) }
}

/// One or more visible ASCII characters, as MCP demands of session ids. Without an early exit, so that it is
/// vectorised: a sealed session id is long.
#[inline]
pub(super) fn visible(v: &[u8]) -> bool {
    !v.is_empty() && v.iter().fold(true, |ok, c| ok & c.is_ascii_graphic())
}

//! Escapes in JSON strings.

use super::JsonError;

/// The characters of the inside of a string, escapes resolved; `Err` for a broken escape or half a surrogate pair.
pub(super) fn unescape_chars(inside: &str) -> impl Iterator<Item = Result<char, ()>> {
    let mut chars = inside.chars();
    std::iter::from_fn(move || match chars.next()? {
        '\\' => Some(one_escape(&mut chars)),
        '"' | '\0'..='\u{1f}' => Some(Err(())),
        c => Some(Ok(c)),
    })
}

fn one_escape(chars: &mut std::str::Chars<'_>) -> Result<char, ()> {
    match chars.next().ok_or(())? {
        c @ ('"' | '\\' | '/') => Ok(c),
        'b' => Ok('\u{8}'),
        'f' => Ok('\u{c}'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'u' => match hex4(chars)? {
            high @ 0xd800..=0xdbff => {
                let low = match (chars.next(), chars.next()) {
                    (Some('\\'), Some('u')) => hex4(chars)?,
                    _ => return Err(()),
                };
                let low = low.checked_sub(0xdc00).filter(|l| *l < 0x400).ok_or(())?;
                char::from_u32(0x10000 + ((high - 0xd800) << 10 | low)).ok_or(())
            }
            unit => char::from_u32(unit).ok_or(()),
        },
        _ => Err(()),
    }
}

fn hex4(chars: &mut std::str::Chars<'_>) -> Result<u32, ()> {
    (0..4).try_fold(0, |n, _| Ok(n << 4 | chars.next().and_then(|c| c.to_digit(16)).ok_or(())?))
}

/// Appends the text that the inside of a JSON string stands for. Fails on what is not valid there, among it half
/// a surrogate pair, which stands for no text; `out` then holds what came before.
pub fn unescape(inside: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
    let text = str::from_utf8(inside).map_err(|e| JsonError::Malformed(e.valid_up_to()))?;
    for c in unescape_chars(text) {
        let c = c.map_err(|()| JsonError::Malformed(0))?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(())
}

/// Appends `s` as the inside of a JSON string, without the quotes.
pub fn escape(s: &str, out: &mut Vec<u8>) {
    for c in s.bytes() {
        match c {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', c]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => {
                let hex = |d: u8| b"0123456789abcdef"[usize::from(d)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(c >> 4), hex(c & 15)]);
            }
            _ => out.push(c),
        }
    }
}

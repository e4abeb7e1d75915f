//! What valid JSON must keep to beyond its grammar so that one tool does not make the whole list unreadable to a
//! client: common parsers refuse deep nesting and half surrogates.

/// Deepest nesting of objects and arrays in a tool.
const MAX_DEPTH: usize = 64;

/// Checks a valid JSON value.
pub(super) fn check(json: &str) -> Result<(), &'static str> {
    let bytes = json.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1)?,
            b'{' | b'[' if depth == MAX_DEPTH => return Err("is nested too deeply"),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Where the string whose inside begins at `at` has its closing quote.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, &'static str> {
    loop {
        match bytes.get(at) {
            Some(b'\\') => at = escape_end(bytes, at)?,
            Some(b'"') | None => return Ok(at),
            Some(_) => at += 1,
        }
    }
}

/// What follows the escape, or pair of escapes, at `at`.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, &'static str> {
    match unit(bytes, at) {
        None => Ok(at + 2),
        Some(0xd800..=0xdbff) => match unit(bytes, at + 6) {
            Some(0xdc00..=0xdfff) => Ok(at + 12),
            _ => Err("has half of a surrogate pair"),
        },
        Some(0xdc00..=0xdfff) => Err("has half of a surrogate pair"),
        Some(_) => Ok(at + 6),
    }
}

/// The UTF-16 unit of a `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_bounded_and_strings_do_not_count() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert!(check(&nested(MAX_DEPTH + 1)).is_err());
        assert_eq!(check(&format!(r#"["\\\"{}"]"#, "[".repeat(1000))), Ok(()));
        assert_eq!(check(&"[],".repeat(1000)), Ok(()));
    }

    #[test]
    fn surrogates_come_in_pairs() {
        let check = |json: &str, fits: bool| assert_eq!(check(json).is_ok(), fits, "{json}");
        check(r#""\ud83d\ude00""#, true);
        check(r#""\uD83D\uDE00x""#, true);
        check(r#""\ud83d""#, false);
        check(r#""\ud83d\n""#, false);
        check(r#""\ud83d\u0041""#, false);
        check(r#""\ude00""#, false);
        check(r#""\\ud83d""#, true);
        check(r#""\u00e9""#, true);
    }
}

//! JSON text made from values: the few forms that answers and spliced tools need.

/// Appends `text` as the inside of a JSON string.
pub(crate) fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(&[b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
        }
        plain = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

/// `text` as a JSON string, with quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    escape_into(&mut out, text);
    out.push(b'"');
    String::from_utf8(out).expect("escaping replaces ASCII by ASCII")
}

/// At most `limit` characters of `text`; `…` stands for what was cut.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quoted_text_is_the_json_string_of_that_text(text in any::<String>()) {
            let json = quoted(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }
    }

    #[test]
    fn control_characters_never_stay() {
        for c in 0..0x20u8 {
            let json = quoted(&char::from(c).to_string());
            assert!(json.bytes().all(|b| b >= 0x20), "{json:?}");
            assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), char::from(c).to_string());
        }
    }

    #[test]
    fn a_cut_counts_characters_and_shows_that_it_cut() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("", 0), "");
    }
}

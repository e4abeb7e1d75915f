//! Text as it stands in answers and spliced tools.

use tidegate_dataplane_codec::json::escape;

/// `text` as a JSON string, with quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    escape(text, &mut out);
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
    fn a_cut_counts_characters_and_shows_that_it_cut() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("", 0), "");
    }
}

//! Cutting Markdown into sections at its headings.

use std::ops::Range;

/// The text from one heading to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Without its marks; empty for the text before the first heading.
    pub(super) heading: String,
    /// 1 to 6; 0 before the first heading.
    pub(super) level: usize,
    /// Line of the heading, from 1.
    pub(super) line: usize,
    /// Where its bytes are, heading included, subsections not.
    pub(super) bytes: Range<usize>,
}

/// The sections of a text, in order. Headings within fenced code are code.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section { heading: String::new(), level: 0, line: 1, bytes: 0..text.len() }];
    let mut fence: Option<&str> = None;
    let mut at = 0;
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let trimmed = line.trim();
        match fence {
            Some(mark) if trimmed.starts_with(mark) => fence = None,
            Some(_) => {}
            None => {
                fence = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
                if let Some((level, heading)) = heading(line) {
                    if let Some(last) = sections.last_mut() {
                        last.bytes.end = at;
                    }
                    sections.push(Section {
                        heading: heading.into(),
                        level,
                        line: i + 1,
                        bytes: at..text.len(),
                    });
                }
            }
        }
        at += line.len();
    }
    if text[sections[0].bytes.clone()].trim().is_empty() && sections.len() > 1 {
        sections.remove(0);
    }
    sections
}

/// A section's text up to the next heading of its own level or above.
pub(super) fn with_subsections<'t>(text: &'t str, sections: &[Section], at: usize) -> &'t str {
    let section = &sections[at];
    let deeper = |s: &&Section| section.level > 0 && s.level > section.level;
    let end = sections[at + 1..].iter().take_while(deeper).last().map_or(section.bytes.end, |s| s.bytes.end);
    &text[section.bytes.start..end]
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let text = line.get(level..)?;
    let is_heading = (1..=6).contains(&level) && text.starts_with([' ', '\t']);
    is_heading.then(|| (level, text.trim().trim_end_matches('#').trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "intro\n# A\none\n```\n# code\n```\n## B ##\ntwo\n# C\nthree\n#no heading\n";

    #[test]
    fn headings_cut_and_code_does_not() {
        let cut = sections(TEXT);
        let cut: Vec<_> = cut.iter().map(|s| (s.heading.as_str(), s.level, s.line)).collect();
        assert_eq!(cut, [("", 0, 1), ("A", 1, 2), ("B", 2, 7), ("C", 1, 9)]);
    }

    #[test]
    fn a_section_is_read_with_its_subsections() {
        let cut = sections(TEXT);
        assert_eq!(with_subsections(TEXT, &cut, 0), "intro\n");
        assert_eq!(with_subsections(TEXT, &cut, 1), "# A\none\n```\n# code\n```\n## B ##\ntwo\n");
        assert_eq!(with_subsections(TEXT, &cut, 3), "# C\nthree\n#no heading\n");
    }

    #[test]
    fn a_text_without_headings_is_one_section() {
        assert_eq!(sections("x\n").len(), 1);
        assert_eq!(sections("").len(), 1);
        assert_eq!(sections("\n# A\n").len(), 1);
    }
}

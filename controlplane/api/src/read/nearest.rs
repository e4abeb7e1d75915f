//! «Did you mean».

/// The candidate that a misspelt word most likely stands for.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let scored = candidates.into_iter().map(|name| (distance(&lower, &name.to_ascii_lowercase()), name));
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// Levenshtein's distance, by rows.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(100).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        let fields = ["groupRef", "incomingAuth", "outgoingAuth", "config"];
        let check =
            |word: &str, expected: Option<&str>| assert_eq!(nearest(word, fields), expected, "{word}");
        check("groupReff", Some("groupRef"));
        check("groupref", Some("groupRef"));
        check("incommingAuth", Some("incomingAuth"));
        check("confg", Some("config"));
        check("replicas", None);
    }
}

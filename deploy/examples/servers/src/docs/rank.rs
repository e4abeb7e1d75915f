//! Ranking of sections by Okapi BM25, with words of headings counting more.

use std::collections::HashMap;
use std::sync::Arc;

use super::library::File;
use super::markdown::Section;

/// How quickly repeated words stop to matter.
const K1: f64 = 1.2;
/// How much long sections are held back.
const B: f64 = 0.75;
/// Added per word of the query that is in the heading, as a share of its rarity.
const HEADING: f64 = 1.5;
/// Characters of a snippet.
const SNIPPET: usize = 240;

/// How often each word occurs.
#[derive(Default)]
pub(super) struct Words {
    counts: HashMap<String, u32>,
    total: u32,
}

/// A section that matches.
pub(super) struct Ranked<'f> {
    pub(super) file: &'f File,
    pub(super) section: usize,
    score: f64,
}

/// The words of a text in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Counts the words of a text.
pub(super) fn count(text: &str) -> Words {
    let mut counted = Words::default();
    for word in words(text) {
        *counted.counts.entry(word).or_default() += 1;
        counted.total += 1;
    }
    counted
}

/// The sections with at least one of the words, best first; equal ones in order of name and place.
pub(super) fn rank<'f>(files: &'f [Arc<File>], query: &[String]) -> Vec<Ranked<'f>> {
    let all = || files.iter().flat_map(|f| f.words.iter());
    let sections = all().count().max(1) as f64;
    let average = all().map(|w| f64::from(w.total)).sum::<f64>() / sections;
    let rarity: Vec<f64> = query
        .iter()
        .map(|word| {
            let with = all().filter(|w| w.counts.contains_key(word)).count() as f64;
            (1.0 + (sections - with + 0.5) / (with + 0.5)).ln()
        })
        .collect();
    let mut ranked = Vec::new();
    for file in files {
        for (section, counted) in file.words.iter().enumerate() {
            let heading = words(&file.sections[section].heading);
            let length = K1 * (1.0 - B + B * f64::from(counted.total) / average);
            let score: f64 = query
                .iter()
                .zip(&rarity)
                .map(|(word, rarity)| {
                    let n = f64::from(counted.counts.get(word).copied().unwrap_or(0));
                    let titled = if heading.contains(word) { HEADING } else { 0.0 };
                    rarity * (n * (K1 + 1.0) / (n + length) + titled)
                })
                .sum();
            if score > 0.0 {
                ranked.push(Ranked { file, section, score });
            }
        }
    }
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

/// The line of a section with the most words of the query, and its number. The heading is told anyway, so that it only
/// stands in where no other line matches.
pub(super) fn best_line(text: &str, section: &Section, query: &[String]) -> (usize, String) {
    let lines = || text[section.bytes.clone()].lines();
    let mut best = (0, section.line, lines().next().unwrap_or(""));
    for (i, line) in lines().enumerate().skip(usize::from(section.level > 0)) {
        let here = words(line);
        let matches = query.iter().filter(|word| here.contains(word)).count();
        if matches > best.0 {
            best = (matches, section.line + i, line);
        }
    }
    (best.1, best.2.trim().chars().take(SNIPPET).collect())
}

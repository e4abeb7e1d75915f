//! The members that count, and telling them from the others.

use super::JsonError;
use super::escape::unescape_chars;
use super::scan::{Scan, Text};
use crate::word::Words;

/// A set of member names that count at one level, each of at most [`LONGEST`] bytes. The position of a name in it
/// is its number.
pub(super) struct Names<const N: usize>([(&'static str, Words); N]);

/// The longest name that counts, in bytes: [`Words`] tell names apart up to here.
const LONGEST: usize = 16;

impl<const N: usize> Names<N> {
    pub(super) const fn new(names: [&'static str; N]) -> Self {
        let mut known = [("", Words::exact(b"")); N];
        let mut i = 0;
        while i < N {
            assert!(names[i].len() <= LONGEST);
            known[i] = (names[i], Words::exact(names[i].as_bytes()));
            i += 1;
        }
        Self(known)
    }

    /// Which of the names this key is; `None` for a name that does not count. `seen` has a bit for each name, to
    /// refuse repetition.
    #[inline]
    pub(super) fn find(
        &self,
        s: &Scan<'_>,
        key: &Text,
        seen: &mut u32,
    ) -> Result<Option<&'static str>, JsonError> {
        let words = Words::exact(&s.b[key.inside.clone()]);
        let found = match self.0.iter().position(|(_, w)| *w == words) {
            Some(i) => Some(i),
            None => self.find_folded(s, key)?,
        };
        let Some(i) = found else { return Ok(None) };
        if *seen & 1 << i != 0 {
            return Err(JsonError::Duplicate(self.0[i].0));
        }
        *seen |= 1 << i;
        Ok(Some(self.0[i].0))
    }

    /// The slow path, for every key not written as one of ours: resolves escapes, and refuses a key that some
    /// parser would take for ours because it ignores case. That is ASCII case and the other characters that some
    /// folding turns into ASCII letters: Kelvin sign and long s in Go, i with and without dot in Java.
    #[cold]
    fn find_folded(&self, s: &Scan<'_>, key: &Text) -> Result<Option<usize>, JsonError> {
        let raw =
            str::from_utf8(&s.b[key.inside.clone()]).map_err(|_| JsonError::Malformed(key.inside.start))?;
        let (mut exact, mut folded, mut n) = ([0u8; LONGEST], [0u8; LONGEST], 0);
        let mut fits = true;
        for c in unescape_chars(raw) {
            let c = c.map_err(|()| JsonError::Malformed(key.inside.start))?;
            let fold = match c {
                '\u{212a}' => b'k',
                '\u{17f}' => b's',
                '\u{130}' | '\u{131}' => b'i',
                c if c.is_ascii() => c.to_ascii_lowercase() as u8,
                _ => 0,
            };
            if n == LONGEST {
                fits = false;
                continue;
            }
            (exact[n], folded[n]) = (if c.is_ascii() { c as u8 } else { 0 }, fold);
            n += 1;
        }
        if !fits {
            return Ok(None);
        }
        match self.0.iter().position(|(name, _)| name.as_bytes().eq_ignore_ascii_case(&folded[..n])) {
            Some(i) if self.0[i].0.as_bytes() != &exact[..n] => Err(JsonError::OtherCase(self.0[i].0)),
            found => Ok(found),
        }
    }
}

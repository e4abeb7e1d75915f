//! The scanner: steps over JSON and validates every byte of it.

use super::{JsonError, MAX_DEPTH};
use memchr::memchr2;
use std::ops::Range;

/// The inside of a string.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) inside: Range<usize>,
    pub(super) escaped: bool,
}

/// A position in a message known to be UTF-8.
pub(super) struct Scan<'b> {
    pub(super) b: &'b [u8],
    pub(super) i: usize,
    /// control characters occur somewhere, so that strings must be searched for them
    controls: bool,
}

impl<'b> Scan<'b> {
    /// Checks the encoding of all of `b`, and stands before its first byte.
    pub(super) fn new(b: &'b [u8]) -> Result<Self, JsonError> {
        // one vectorised pass over everything instead of a search in each string: most messages are compact ASCII
        let (least, all) = b.iter().fold((u8::MAX, 0), |(least, all), c| (least.min(*c), all | *c));
        if !all.is_ascii() {
            str::from_utf8(b).map_err(|e| JsonError::Malformed(e.valid_up_to()))?;
        }
        Ok(Self { b, i: 0, controls: least < b' ' })
    }

    pub(super) fn malformed<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Malformed(self.i))
    }

    /// The next byte that is not whitespace. Most messages have none.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, JsonError> {
        match self.b.get(self.i) {
            Some(c) if *c > b' ' => Ok(*c),
            _ => self.peek_far(),
        }
    }

    #[cold]
    fn peek_far(&mut self) -> Result<u8, JsonError> {
        loop {
            match self.b.get(self.i) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.i += 1,
                Some(c) => return Ok(*c),
                None => return self.malformed(),
            }
        }
    }

    #[inline]
    pub(super) fn eat(&mut self, c: u8) -> Result<(), JsonError> {
        if self.b.get(self.i) != Some(&c) && self.peek_far()? != c {
            return self.malformed();
        }
        self.i += 1;
        Ok(())
    }

    /// Nothing but whitespace is left.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        match self.b[self.i..].iter().position(|c| !matches!(c, b' ' | b'\t' | b'\r' | b'\n')) {
            None => Ok(()),
            Some(n) => Err(JsonError::Malformed(self.i + n)),
        }
    }

    /// Steps over a string, from quote or backslash to the next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text, JsonError> {
        self.eat(b'"')?;
        let (start, mut escaped) = (self.i, false);
        loop {
            let k = self.plain_end()?;
            match self.b[k] {
                b'"' => {
                    self.i = k + 1;
                    return Ok(Text { inside: start..k, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.i = k + self.escape(k)?;
                }
                _ => return Err(JsonError::Malformed(k)),
            }
        }
    }

    /// Where the next quote, backslash or control character is. Short strings are the rule, so the first bytes are
    /// searched by words, and the rest by what is fast only on long ones.
    #[inline]
    fn plain_end(&self) -> Result<usize, JsonError> {
        let mut i = self.i;
        for _ in 0..4 {
            let Some(word) = self.b[i..].first_chunk() else { break };
            let hits = specials(u64::from_le_bytes(*word));
            if hits != 0 {
                return Ok(i + hits.trailing_zeros() as usize / 8);
            }
            i += 8;
        }
        self.plain_end_far(i)
    }

    #[cold]
    fn plain_end_far(&self, from: usize) -> Result<usize, JsonError> {
        let end = memchr2(b'"', b'\\', &self.b[from..]).map(|n| from + n);
        let to = end.unwrap_or(self.b.len());
        if self.controls {
            self.no_controls(from, to)?;
        }
        end.ok_or(JsonError::Malformed(to))
    }

    fn no_controls(&self, from: usize, to: usize) -> Result<(), JsonError> {
        if !has_controls(&self.b[from..to]) {
            return Ok(());
        }
        match self.b[from..to].iter().position(|c| *c < b' ') {
            None => Ok(()),
            Some(n) => Err(JsonError::Malformed(from + n)),
        }
    }

    /// The length of the escape at `k`.
    fn escape(&self, k: usize) -> Result<usize, JsonError> {
        match self.b.get(k + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => match self.b.get(k + 2..k + 6) {
                Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => Ok(6),
                _ => Err(JsonError::Malformed(k)),
            },
            _ => Err(JsonError::Malformed(k)),
        }
    }

    /// Steps over one value, `depth` levels of objects and arrays being open around it. Gives its range.
    pub(super) fn value(&mut self, mut depth: u32) -> Result<Range<usize>, JsonError> {
        self.peek()?;
        let (start, outer) = (self.i, depth);
        // one bit a level: is it an object?
        let mut kinds = 0u64;
        loop {
            let opened = match self.peek()? {
                c @ (b'{' | b'[') => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(JsonError::TooDeep);
                    }
                    kinds = kinds << 1 | u64::from(c == b'{');
                    self.i += 1;
                    true
                }
                _ => {
                    self.scalar()?;
                    false
                }
            };
            if self.next_value(&mut depth, outer, &mut kinds, opened)? {
                return Ok(start..self.i);
            }
        }
    }

    /// Closes what ends here and goes before the next value: true when none is left. `opened`: nothing but an
    /// opening bracket came before.
    #[inline]
    fn next_value(
        &mut self,
        depth: &mut u32,
        outer: u32,
        kinds: &mut u64,
        mut opened: bool,
    ) -> Result<bool, JsonError> {
        while *depth > outer {
            let object = *kinds & 1 == 1;
            let c = self.peek()?;
            if c == if object { b'}' } else { b']' } {
                self.i += 1;
                *kinds >>= 1;
                *depth -= 1;
                opened = false;
                continue;
            }
            if !opened {
                self.eat(b',')?;
            }
            if object {
                self.string()?;
                self.eat(b':')?;
            }
            return Ok(false);
        }
        Ok(true)
    }

    #[inline]
    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.b[self.i..].starts_with(word) {
            return self.malformed();
        }
        self.i += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.skip_if(|c| c == b'-');
        if !self.skip_if(|c| c == b'0') {
            self.digits()?;
        }
        if self.skip_if(|c| c == b'.') {
            self.digits()?;
        }
        if self.skip_if(|c| matches!(c, b'e' | b'E')) {
            self.skip_if(|c| matches!(c, b'+' | b'-'));
            self.digits()?;
        }
        Ok(())
    }

    fn skip_if(&mut self, is: impl Fn(u8) -> bool) -> bool {
        let hit = self.b.get(self.i).is_some_and(|c| is(*c));
        self.i += usize::from(hit);
        hit
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let n = self.b[self.i..].iter().take_while(|c| c.is_ascii_digit()).count();
        self.i += n;
        if n == 0 { self.malformed() } else { Ok(()) }
    }

    /// Steps over an object, which is `depth` levels deep itself; `member` steps over each value.
    #[inline]
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text) -> Result<(), JsonError>,
    ) -> Result<Range<usize>, JsonError> {
        self.eat(b'{')?;
        let start = self.i - 1;
        if self.peek()? == b'}' {
            self.i += 1;
            return Ok(start..self.i);
        }
        loop {
            let key = self.string()?;
            self.eat(b':')?;
            member(self, key)?;
            match self.peek()? {
                b',' => self.i += 1,
                b'}' => {
                    self.i += 1;
                    return Ok(start..self.i);
                }
                _ => return self.malformed(),
            }
        }
    }
}

/// The high bit of each byte that is a quote, a backslash or a control character. Bits above the lowest may be
/// wrong: a borrow passes from a byte that hit.
#[inline]
fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = |w: u64, n: u64| w.wrapping_sub(ONES * n) & !w;
    let is = |c: u8| below(word ^ (ONES * u64::from(c)), 1);
    (is(b'"') | is(b'\\') | below(word, 0x20)) & (ONES << 7)
}

/// The minimum, and not a search, since the compiler vectorises only that.
#[inline]
fn has_controls(b: &[u8]) -> bool {
    b.iter().fold(u8::MAX, |m, c| m.min(*c)) < b' '
}

//! Short names as machine words: one comparison instead of one for each byte.

/// A name of at most 16 bytes as two words, which together with its length determine it. Of a longer one these are
/// its first and last eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    len: usize,
    first: u64,
    last: u64,
}

/// Sets the bit that tells small letters from capitals. Among the bytes of a token only `^` and `_` turn into
/// something that is no small letter, digit or `-`, so for names of these it ignores case and nothing else.
const SMALL: u64 = 0x2020_2020_2020_2020;

impl Words {
    /// The words of a name as it is.
    #[inline]
    pub(crate) const fn exact(name: &[u8]) -> Self {
        let len = name.len();
        let (first, last) = match name {
            [a, b, c, d, e, f, g, h, ..] => {
                (u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), last_eight(name))
            }
            _ => few(name),
        };
        Self { len, first, last }
    }

    /// The words of a token, in small letters.
    #[inline]
    pub(crate) const fn small(name: &[u8]) -> Self {
        let Self { len, first, last } = Self::exact(name);
        Self { len, first: first | SMALL, last: last | SMALL }
    }
}

#[inline]
const fn last_eight(name: &[u8]) -> u64 {
    match name {
        [.., a, b, c, d, e, f, g, h] => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => 0,
    }
}

/// Fewer than eight bytes: the first four and the last four, or those that there are.
#[inline]
const fn few(name: &[u8]) -> (u64, u64) {
    match name {
        [a, b, c, d, ..] => {
            let tail = match name {
                [.., w, x, y, z] => u32::from_le_bytes([*w, *x, *y, *z]),
                _ => 0,
            };
            (u32::from_le_bytes([*a, *b, *c, *d]) as u64 | (tail as u64) << 32, 0)
        }
        [a, b, c] => (u32::from_le_bytes([*a, *b, *c, 0]) as u64, 0),
        [a, b] => (u32::from_le_bytes([*a, *b, 0, 0]) as u64, 0),
        [a] => (*a as u64, 0),
        [] => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn names_up_to_16_bytes_are_told_apart_by_every_byte() {
        for n in 1..=16 {
            let name = vec![b'n'; n];
            for at in 0..n {
                let mut other = name.clone();
                other[at] = b'o';
                assert_ne!(Words::exact(&name), Words::exact(&other), "{n} {at}");
                assert_ne!(Words::small(&name), Words::small(&other), "{n} {at}");
                other[at] = b'N';
                assert_ne!(Words::exact(&name), Words::exact(&other), "{n} {at}");
                assert_eq!(Words::small(&name), Words::small(&other), "{n} {at}");
            }
            assert_ne!(Words::exact(&name), Words::exact(&name[1..]), "{n}");
        }
    }
}

//! The endpoints of one backend: what they are called in tokens, and to which of them a new session goes. Pure.

use std::num::NonZeroU32;

use ring::digest;

/// The name of an endpoint in tokens, stable over releases and over edits of the list that it stands in: a hash of
/// host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(NonZeroU32);

/// What a choice between endpoints depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Sessions that are there, as far as this node knows.
    pub sessions: u32,
    /// It is about to go.
    pub draining: bool,
    /// It could not be reached a moment ago.
    pub passed_over: bool,
}

impl EndpointId {
    /// Of an address.
    pub fn of(host: &str, port: u16) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(host.as_bytes());
        hash.update(&port.to_be_bytes());
        let hash = hash.finish();
        let word = u32::from_be_bytes(hash.as_ref()[..4].try_into().expect("a SHA-256 has 32 bytes"));
        Self(NonZeroU32::new(word).unwrap_or(NonZeroU32::MIN))
    }

    /// As in tokens, where 0 stands for none.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// From a token.
    pub fn from_wire(word: u32) -> Option<Self> {
        NonZeroU32::new(word).map(Self)
    }
}

impl Candidate {
    /// Lower is better, 0 best: one that drains is of less use than one that may be back.
    pub fn rank(&self) -> u8 {
        (u8::from(self.draining) << 1) | u8::from(self.passed_over)
    }
}

/// Where a new session goes, given 64 random bits: of two that are drawn among the best, the one with fewer sessions.
/// Two, and not the least of all, so that one that has just come does not get every session of every node until it has
/// caught up. None: there are no candidates.
pub fn choose(candidates: &[Candidate], random: u64) -> Option<usize> {
    let rank = candidates.iter().map(Candidate::rank).min()?;
    let best = || candidates.iter().enumerate().filter(move |(_, c)| c.rank() == rank);
    let count = best().count();
    let (a, b) = two_of(count, random);
    let (a, b) = (best().nth(a)?, best().nth(b)?);
    Some(if b.1.sessions < a.1.sessions { b.0 } else { a.0 })
}

/// Two different numbers below `count`, in random order; the same twice if there is one only.
fn two_of(count: usize, random: u64) -> (usize, usize) {
    let (high, low) = (random >> 32, random & u64::from(u32::MAX));
    let below = |word: u64, n: usize| ((word * n as u64) >> 32) as usize;
    let a = below(high, count);
    let b = a + 1 + below(low, count.saturating_sub(1));
    (a, if count > 1 { b % count } else { a })
}

#[cfg(test)]
mod tests;

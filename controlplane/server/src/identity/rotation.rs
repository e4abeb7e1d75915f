//! Which authorities there are, and what is to be done next with them. Pure: the time is an argument.
//!
//! An authority lives through four states. *Introduced*: kept, and put into the published bundle. *Announced*: the
//! bundle with it has been published at a known time. *Signing*: everybody had the lead time to load it. *Retired*:
//! another one signs, and this one stays in the bundle until nothing that it signed is good any more.

use std::time::Duration;

use super::lifetimes::Lifetimes;

#[cfg(test)]
mod simulation;

/// From when until when a certificate is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: u64,
    /// The first second after.
    pub until: u64,
}

impl Validity {
    /// Whether two thirds are over: time for another one.
    pub fn is_due(&self, now: u64) -> bool {
        now.saturating_sub(self.from) * 3 >= self.until.saturating_sub(self.from) * 2
    }
}

/// An authority as rotation sees it.
pub trait Signs: Clone {
    /// What others need to trust it.
    type Trusted: Clone;

    /// When it is good.
    fn validity(&self) -> Validity;

    /// Its certificate.
    fn trusted(&self) -> Self::Trusted;
}

/// The authorities of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation<A: Signs> {
    /// Signs.
    pub signing: A,
    /// Since when.
    pub signing_since: u64,
    /// Will sign.
    pub next: Option<Next<A>>,
    /// Have signed.
    pub retired: Vec<A::Trusted>,
}

/// An authority that will sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next<A> {
    /// Which.
    pub authority: A,
    /// Since when the bundle that is published names it; none: not known to be published.
    pub announced: Option<u64>,
}

/// A change that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Make the next authority and keep it.
    Introduce,
    /// Note that the bundle with the next authority is published.
    Announce,
    /// Let the next authority sign.
    Promote,
    /// Take the retired authorities out of the bundle.
    Forget,
    /// Make an authority that signs at once: the present one has expired, and nothing it signed is good.
    Replace,
}

impl<A: Signs> Rotation<A> {
    /// The first authority: nobody trusts anything else yet.
    pub fn first(authority: A, now: u64) -> Self {
        Self { signing: authority, signing_since: now, next: None, retired: Vec::new() }
    }

    /// All that is to be trusted.
    pub fn bundle(&self) -> Vec<A::Trusted> {
        let next = self.next.iter().map(|next| next.authority.trusted());
        std::iter::once(self.signing.trusted()).chain(next).chain(self.retired.iter().cloned()).collect()
    }

    /// What is due, one change at a time. `published`: the bundle that nodes read is this one, now.
    pub fn due(&self, lifetimes: &Lifetimes, now: u64, published: bool) -> Option<Due> {
        let validity = self.signing.validity();
        if now >= validity.until {
            return Some(if self.next.is_some() { Due::Promote } else { Due::Replace });
        }
        match &self.next {
            Some(Next { announced: None, .. }) if published => return Some(Due::Announce),
            Some(Next { announced: Some(at), .. }) if published && passed(*at, now, lifetimes.lead()) => {
                return Some(Due::Promote);
            }
            None if validity.is_due(now) => return Some(Due::Introduce),
            Some(_) | None => {}
        }
        let unused = !self.retired.is_empty() && passed(self.signing_since, now, lifetimes.overlap());
        unused.then_some(Due::Forget)
    }

    /// A next authority has been made.
    pub fn introduce(&mut self, authority: A) {
        self.next = Some(Next { authority, announced: None });
    }

    /// The bundle with the next authority has been published.
    pub fn announce(&mut self, now: u64) {
        if let Some(next) = &mut self.next {
            next.announced = Some(now);
        }
    }

    /// The next authority signs.
    pub fn promote(&mut self, now: u64) {
        if let Some(next) = self.next.take() {
            self.replace(next.authority, now);
        }
    }

    /// Another authority signs.
    pub fn replace(&mut self, authority: A, now: u64) {
        let old = std::mem::replace(&mut self.signing, authority);
        self.retired.insert(0, old.trusted());
        self.signing_since = now;
    }

    /// The retired authorities are not trusted any more.
    pub fn forget(&mut self) {
        self.retired.clear();
    }
}

/// Whether so much time has passed; not when the clock went backwards. A part of a second counts as a whole one.
fn passed(since: u64, now: u64, time: Duration) -> bool {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    now.saturating_sub(since) >= whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct A(u64, u64);

    impl Signs for A {
        type Trusted = A;

        fn validity(&self) -> Validity {
            Validity { from: self.0, until: self.1 }
        }

        fn trusted(&self) -> A {
            *self
        }
    }

    fn lifetimes() -> Lifetimes {
        let secs = Duration::from_secs;
        Lifetimes::new(secs(300), secs(30), secs(20)).expect("they fit")
    }

    #[track_caller]
    fn check(rotation: &Rotation<A>, published: bool, expected: &[(u64, Option<Due>)]) {
        for (now, due) in expected {
            assert_eq!(rotation.due(&lifetimes(), *now, published), *due, "at {now}");
        }
    }

    #[test]
    fn an_authority_is_introduced_announced_promoted_and_its_predecessor_forgotten() {
        let mut rotation = Rotation::first(A(0, 300), 0);
        check(&rotation, true, &[(0, None), (199, None), (200, Some(Due::Introduce))]);
        rotation.introduce(A(200, 500));
        assert_eq!(rotation.bundle(), [A(0, 300), A(200, 500)]);
        check(&rotation, false, &[(200, None), (299, None), (300, Some(Due::Promote))]);
        check(&rotation, true, &[(205, Some(Due::Announce))]);
        rotation.announce(205);
        check(&rotation, true, &[(224, None), (225, Some(Due::Promote))]);
        check(&rotation, false, &[(225, None)]);
        rotation.promote(225);
        assert_eq!(rotation.bundle(), [A(200, 500), A(0, 300)]);
        // 10 s in which a replica may still sign with the old one, 30 s of what it signs, 3 s of skew
        check(&rotation, true, &[(267, None), (268, Some(Due::Forget))]);
        rotation.forget();
        assert_eq!(rotation.bundle(), [A(200, 500)]);
        check(&rotation, true, &[(268, None), (399, None), (400, Some(Due::Introduce))]);
    }

    #[test]
    fn one_that_has_expired_is_replaced_at_once() {
        let mut rotation = Rotation::first(A(0, 300), 0);
        check(&rotation, false, &[(300, Some(Due::Replace)), (9_000, Some(Due::Replace))]);
        rotation.replace(A(9_000, 9_300), 9_000);
        assert_eq!(rotation.bundle(), [A(9_000, 9_300), A(0, 300)]);
    }

    #[test]
    fn a_clock_that_goes_backwards_changes_nothing() {
        let mut rotation = Rotation::first(A(1_000, 1_300), 1_000);
        rotation.introduce(A(1_200, 1_500));
        rotation.announce(1_200);
        check(&rotation, true, &[(0, None), (900, None)]);
    }
}

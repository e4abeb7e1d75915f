//! One backend of one virtual server, folded over the nodes that see it.
//!
//! A node that has not decided yet has no say. Of the others the worst counts, with one exception: where some nodes route
//! to the backend and some do not, it is `degraded`, and the message says at how many nodes it is what. An open breaker, and
//! one that tries a single call after having been open, is `unavailable`: calls are not routed there.

use tidegate_proto::wire::{BackendHealth, BreakerState, MemberState};

/// `discoveredBackends[].status` (spec 2.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Routed to.
    Ready,
    /// Routed to, though slow, just recovered, or not from every node.
    Degraded,
    /// Not routed to.
    Unavailable,
    /// It wants a credential that there is none for.
    Unauthenticated,
    /// Not decided yet, or not probed.
    Unknown,
}

/// `discoveredBackends[].circuitBreakerState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breaker {
    /// Calls pass.
    Closed,
    /// One call is tried.
    HalfOpen,
    /// Calls are refused.
    Open,
}

/// What all nodes together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) standing: Standing,
    pub(crate) message: String,
    /// Absent: there is none.
    pub(crate) breaker: Option<Breaker>,
    /// 0: never.
    pub(crate) breaker_changed_unix_ms: u64,
    pub(crate) consecutive_failures: u32,
    /// 0: never.
    pub(crate) checked_unix_ms: u64,
}

/// What a backend is to a virtual server, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Nothing is known yet.
    Undecided,
    /// Not probed, and nothing bad is known: its good state (decision 2).
    Unprobed,
    Ready,
    Degraded,
    /// Routed to from some nodes only.
    Partly,
    Unauthenticated,
    Unavailable,
}

impl Standing {
    pub(crate) fn word(self) -> Word {
        match self {
            Standing::Undecided | Standing::Unprobed => Word::Unknown,
            Standing::Ready => Word::Ready,
            Standing::Degraded | Standing::Partly => Word::Degraded,
            Standing::Unauthenticated => Word::Unauthenticated,
            Standing::Unavailable => Word::Unavailable,
        }
    }

    /// At one node. `unprobed`: the virtual server does not have it probed.
    fn at(state: &MemberState, unprobed: bool) -> Self {
        if Breaker::of(state).is_some_and(|breaker| breaker > Breaker::Closed) {
            return Standing::Unavailable;
        }
        match state.health() {
            BackendHealth::Healthy => Standing::Ready,
            BackendHealth::Degraded => Standing::Degraded,
            BackendHealth::Unhealthy => Standing::Unavailable,
            BackendHealth::Unauthenticated => Standing::Unauthenticated,
            BackendHealth::Unknown | BackendHealth::Unspecified if unprobed || !state.probed => {
                Standing::Unprobed
            }
            BackendHealth::Unknown | BackendHealth::Unspecified => Standing::Undecided,
        }
    }

    fn is_served(self) -> bool {
        matches!(self, Standing::Unprobed | Standing::Ready | Standing::Degraded)
    }
}

impl Member {
    /// `unprobed`: the virtual server does not have it probed.
    pub(crate) fn fold(seen: &[&MemberState], unprobed: bool) -> Self {
        let mut sights: Vec<(Standing, &MemberState)> =
            seen.iter().map(|state| (Standing::at(state, unprobed), *state)).collect();
        // The worst last; of equals the one checked last speaks, whatever the order of the nodes.
        sights.sort_by(|(a, x), (b, y)| {
            (a, x.checked_unix_ms, &x.message).cmp(&(b, y.checked_unix_ms, &y.message))
        });
        let (standing, message) = match sights.last() {
            None if unprobed => (Standing::Unprobed, String::new()),
            None => (Standing::Undecided, String::new()),
            Some((worst, state)) => joint(&sights, *worst, &state.message),
        };
        let breaker = seen.iter().filter_map(|state| Breaker::of(state)).max();
        let changed = seen.iter().filter(|state| Breaker::of(state) == breaker);
        Self {
            standing,
            message,
            breaker,
            breaker_changed_unix_ms: changed.map(|s| s.breaker_changed_unix_ms).max().unwrap_or(0),
            consecutive_failures: seen.iter().map(|s| s.consecutive_failures).max().unwrap_or(0),
            checked_unix_ms: seen.iter().map(|s| s.checked_unix_ms).max().unwrap_or(0),
        }
    }
}

/// Where nodes differ in whether they route there, that is the news.
fn joint(sights: &[(Standing, &MemberState)], worst: Standing, message: &str) -> (Standing, String) {
    let decided = sights.iter().filter(|(standing, _)| *standing != Standing::Undecided).count();
    let refusing = sights.iter().filter(|(s, _)| *s != Standing::Undecided && !s.is_served()).count();
    if refusing == 0 || refusing == decided {
        return (worst, message.to_owned());
    }
    let word = worst.word().as_str();
    (Standing::Partly, format!("{word} at {refusing} of {decided} nodes: {message}"))
}

impl Word {
    /// As in the CRD.
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Ready => "ready",
            Word::Degraded => "degraded",
            Word::Unavailable => "unavailable",
            Word::Unauthenticated => "unauthenticated",
            Word::Unknown => "unknown",
        }
    }
}

impl Breaker {
    fn of(state: &MemberState) -> Option<Self> {
        match state.breaker() {
            BreakerState::Unspecified => None,
            BreakerState::Closed => Some(Breaker::Closed),
            BreakerState::HalfOpen => Some(Breaker::HalfOpen),
            BreakerState::Open => Some(Breaker::Open),
        }
    }

    /// As in the CRD.
    pub fn as_str(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::HalfOpen => "half-open",
            Breaker::Open => "open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter per node: Healthy, Degraded, Unhealthy, unAuthenticated, unKnown, unProbed, Open, half-open Trial.
    fn node(letter: char, at: usize) -> MemberState {
        use BackendHealth::{Degraded, Healthy, Unauthenticated, Unhealthy, Unknown};
        let (health, breaker) = match letter {
            'H' => (Healthy, BreakerState::Closed),
            'D' => (Degraded, BreakerState::Closed),
            'U' => (Unhealthy, BreakerState::Closed),
            'A' => (Unauthenticated, BreakerState::Closed),
            'O' => (Healthy, BreakerState::Open),
            'T' => (Healthy, BreakerState::HalfOpen),
            _ => (Unknown, BreakerState::Unspecified),
        };
        MemberState {
            health: health.into(),
            breaker: breaker.into(),
            message: format!("{letter}{at}"),
            checked_unix_ms: at as u64,
            consecutive_failures: at as u32,
            breaker_changed_unix_ms: 100 + at as u64,
            probed: letter != 'P',
            ..MemberState::default()
        }
    }

    fn fold(nodes: &str) -> Member {
        let states: Vec<MemberState> = nodes.chars().zip(1..).map(|(letter, at)| node(letter, at)).collect();
        let seen: Vec<&MemberState> = states.iter().collect();
        let folded = Member::fold(&seen, false);
        let turned: Vec<&MemberState> = states.iter().rev().collect();
        assert_eq!(Member::fold(&turned, false), folded, "{nodes}: the order of nodes is of no account");
        folded
    }

    fn check(nodes: &str, word: &str, standing: Standing, message: &str) {
        let folded = fold(nodes);
        assert_eq!(
            (folded.standing.word().as_str(), folded.standing, folded.message.as_str()),
            (word, standing, message),
            "{nodes}"
        );
    }

    #[test]
    fn nodes_that_agree_are_believed_and_those_that_do_not_know_have_no_say() {
        check("", "unknown", Standing::Undecided, "");
        check("KK", "unknown", Standing::Undecided, "K2");
        check("H", "ready", Standing::Ready, "H1");
        check("HKH", "ready", Standing::Ready, "H3");
        check("KU", "unavailable", Standing::Unavailable, "U2");
        check("UU", "unavailable", Standing::Unavailable, "U2");
        check("AA", "unauthenticated", Standing::Unauthenticated, "A2");
        check("UA", "unavailable", Standing::Unavailable, "U1");
        check("HD", "degraded", Standing::Degraded, "D2");
        check("PP", "unknown", Standing::Unprobed, "P2");
        check("PH", "ready", Standing::Ready, "H2");
    }

    #[test]
    fn where_nodes_differ_in_routing_it_is_degraded_and_the_message_says_how_many() {
        check("HUH", "degraded", Standing::Partly, "unavailable at 1 of 3 nodes: U2");
        check("UKH", "degraded", Standing::Partly, "unavailable at 1 of 2 nodes: U1");
        check("AHU", "degraded", Standing::Partly, "unavailable at 2 of 3 nodes: U3");
        check("PU", "degraded", Standing::Partly, "unavailable at 1 of 2 nodes: U2");
        check("HO", "degraded", Standing::Partly, "unavailable at 1 of 2 nodes: O2");
    }

    #[test]
    fn a_breaker_that_is_not_closed_is_not_routed_to() {
        check("O", "unavailable", Standing::Unavailable, "O1");
        check("T", "unavailable", Standing::Unavailable, "T1");
        let folded = fold("TOO");
        assert_eq!((folded.breaker, folded.breaker_changed_unix_ms), (Some(Breaker::Open), 103));
        assert_eq!((folded.consecutive_failures, folded.checked_unix_ms), (3, 3));
        assert_eq!(fold("TH").breaker, Some(Breaker::HalfOpen));
        assert_eq!((fold("K").breaker, fold("H").breaker), (None, Some(Breaker::Closed)));
    }
}

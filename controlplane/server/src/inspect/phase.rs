//! The phase of a virtual server (spec 2.6.5, decision 7): one machine over what compile, push and the nodes know.

use tidegate_proto::wire::BackendHealth;

/// What `phase` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not served yet, or nothing is known of its backends yet.
    Pending,
    /// Served, and every backend can be routed to.
    Ready,
    /// Served without some of its backends.
    Degraded,
    /// Not as written, or without any backend.
    Failed,
}

/// All that the phase depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation<'a> {
    /// Why compile refused it.
    pub(super) refused: Option<&'a str>,
    /// Why compile waits.
    pub(super) waiting: Option<&'a str>,
    /// It stands in the published table.
    pub(super) published: bool,
    /// A node serves it.
    pub(super) served: bool,
    /// Of each backend, folded over nodes.
    pub(super) members: Vec<MemberHealth>,
}

/// What is known of one backend of a virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberHealth {
    pub(super) health: BackendHealth,
    /// Not probed: then unknown is its good state (decision 2).
    pub(super) unprobed: bool,
}

#[derive(Debug, Default)]
struct Counts {
    healthy: usize,
    degraded: usize,
    unhealthy: usize,
    unauthenticated: usize,
    unknown: usize,
    unprobed: usize,
}

impl Phase {
    /// As in `status.phase`.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Ready => "Ready",
            Phase::Degraded => "Degraded",
            Phase::Failed => "Failed",
        }
    }
}

/// The phase and its message.
pub(super) fn phase(situation: &Situation<'_>) -> (Phase, String) {
    if let Some(reason) = situation.refused {
        let kept = if situation.published { "; what it said before is still served" } else { "" };
        return (Phase::Failed, format!("{reason}{kept}"));
    }
    match situation.waiting {
        Some(reason) => (Phase::Pending, reason.to_owned()),
        None if !situation.published => (Phase::Pending, "Waiting to be published".to_owned()),
        None if !situation.served => (Phase::Pending, "Virtual MCP server is starting".to_owned()),
        None => judged(&Counts::of(&situation.members)),
    }
}

fn judged(n: &Counts) -> (Phase, String) {
    let (all, routable) = (n.all(), n.routable());
    if all == 0 {
        return (Phase::Ready, "Ready, no backends configured".to_owned());
    }
    if n.unknown == all - n.unprobed && n.unknown > 0 {
        return (Phase::Pending, format!("Waiting for initial health checks ({all} backends configured)"));
    }
    let rest = format!("({} degraded, {} unhealthy, {} unknown)", n.degraded, n.unhealthy, n.unknown);
    if routable == 0 {
        // One that is not decided yet may still come: not the end.
        let phase = if n.unknown > 0 { Phase::Degraded } else { Phase::Failed };
        return (phase, format!("No routable backends {rest}"));
    }
    if routable < all {
        return (Phase::Degraded, format!("{routable}/{all} backends routable {rest}"));
    }
    all_routable(n)
}

fn all_routable(n: &Counts) -> (Phase, String) {
    if n.unauthenticated > 0 {
        let message =
            format!("{} backends healthy, {} backends require authentication", n.healthy, n.unauthenticated);
        (Phase::Degraded, message)
    } else if n.degraded > 0 {
        (Phase::Ready, format!("All {} backends routable ({} degraded)", n.all(), n.degraded))
    } else if n.unprobed > 0 {
        (Phase::Ready, format!("{} backends healthy, {} backends not probed", n.healthy, n.unprobed))
    } else {
        (Phase::Ready, format!("All {} backends healthy", n.all()))
    }
}

impl Counts {
    fn of(members: &[MemberHealth]) -> Self {
        let mut n = Self::default();
        for member in members {
            let count = match member.health {
                BackendHealth::Healthy => &mut n.healthy,
                BackendHealth::Degraded => &mut n.degraded,
                BackendHealth::Unhealthy => &mut n.unhealthy,
                BackendHealth::Unauthenticated => &mut n.unauthenticated,
                BackendHealth::Unknown | BackendHealth::Unspecified if member.unprobed => &mut n.unprobed,
                BackendHealth::Unknown | BackendHealth::Unspecified => &mut n.unknown,
            };
            *count += 1;
        }
        n
    }

    fn all(&self) -> usize {
        self.routable() + self.unhealthy + self.unknown
    }

    fn routable(&self) -> usize {
        self.healthy + self.degraded + self.unauthenticated + self.unprobed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter per backend: Healthy, Degraded, Unhealthy, unAuthenticated, unKnown, unProbed.
    fn check(members: &str, expected: Phase, message: &str) {
        let member = |c| match c {
            'H' => (BackendHealth::Healthy, false),
            'D' => (BackendHealth::Degraded, false),
            'U' => (BackendHealth::Unhealthy, false),
            'A' => (BackendHealth::Unauthenticated, false),
            'K' => (BackendHealth::Unknown, false),
            _ => (BackendHealth::Unknown, true),
        };
        let members = members.chars().map(member).map(|(health, unprobed)| MemberHealth { health, unprobed });
        let situation =
            Situation { published: true, served: true, members: members.collect(), ..Situation::default() };
        assert_eq!(phase(&situation), (expected, message.to_owned()));
    }

    #[test]
    fn a_served_one_is_judged_by_its_backends() {
        check("", Phase::Ready, "Ready, no backends configured");
        check("HH", Phase::Ready, "All 2 backends healthy");
        check("HD", Phase::Ready, "All 2 backends routable (1 degraded)");
        check("HP", Phase::Ready, "1 backends healthy, 1 backends not probed");
        check("PP", Phase::Ready, "0 backends healthy, 2 backends not probed");
        check("HA", Phase::Degraded, "1 backends healthy, 1 backends require authentication");
        check("KK", Phase::Pending, "Waiting for initial health checks (2 backends configured)");
        check("KP", Phase::Pending, "Waiting for initial health checks (2 backends configured)");
        check("HK", Phase::Degraded, "1/2 backends routable (0 degraded, 0 unhealthy, 1 unknown)");
        check("HU", Phase::Degraded, "1/2 backends routable (0 degraded, 1 unhealthy, 0 unknown)");
        check("UK", Phase::Degraded, "No routable backends (0 degraded, 1 unhealthy, 1 unknown)");
        check("UU", Phase::Failed, "No routable backends (0 degraded, 2 unhealthy, 0 unknown)");
    }

    #[test]
    fn before_that_compile_and_push_have_their_say() {
        let mut situation =
            Situation { refused: Some("Referenced MCPGroup x not found"), ..Default::default() };
        assert_eq!(phase(&situation), (Phase::Failed, "Referenced MCPGroup x not found".to_owned()));
        situation.published = true;
        assert_eq!(
            phase(&situation).1,
            "Referenced MCPGroup x not found; what it said before is still served"
        );
        situation = Situation { waiting: Some("w"), published: true, ..Default::default() };
        assert_eq!(phase(&situation), (Phase::Pending, "w".to_owned()));
        situation = Situation::default();
        assert_eq!(phase(&situation), (Phase::Pending, "Waiting to be published".to_owned()));
        situation.published = true;
        assert_eq!(phase(&situation), (Phase::Pending, "Virtual MCP server is starting".to_owned()));
    }
}

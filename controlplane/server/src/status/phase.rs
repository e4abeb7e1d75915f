//! The phase of a virtual server (spec 2.6.5, decision 7): one machine over what compile, push and the nodes know.

use super::member::Standing;

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
    pub(super) members: Vec<Standing>,
}

/// The phase and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) phase: Phase,
    /// `status.message`.
    pub(super) message: String,
    /// Of the condition `Ready`; absent when compile knows it.
    pub(super) reason: Option<&'static str>,
    /// Of the condition `Ready`, where it has its own words.
    pub(super) ready: Option<String>,
}

#[derive(Debug, Default)]
struct Counts {
    healthy: usize,
    degraded: usize,
    partly: usize,
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

/// Where a virtual server stands.
pub(super) fn judge(situation: &Situation<'_>) -> Judgement {
    if let Some(reason) = situation.refused {
        let kept = if situation.published { "; what it said before is still served" } else { "" };
        return Judgement::new(Phase::Failed, None, format!("{reason}{kept}"));
    }
    let starting = |message: &str| Judgement::new(Phase::Pending, Some("DeploymentNotReady"), message);
    match situation.waiting {
        Some(reason) => Judgement::new(Phase::Pending, None, reason),
        None if !situation.published => starting("Waiting to be published"),
        None if !situation.served => starting("Virtual MCP server is starting"),
        None => judged(&Counts::of(&situation.members)),
    }
}

fn judged(n: &Counts) -> Judgement {
    let (all, routable) = (n.all(), n.routable());
    if all == 0 {
        return Judgement::new(Phase::Ready, ALL_ROUTABLE, "Ready, no backends configured");
    }
    if n.unknown == all - n.unprobed && n.unknown > 0 {
        let message = format!("Waiting for initial health checks ({all} backends configured)");
        return Judgement::new(Phase::Pending, Some("BackendsPending"), message);
    }
    let rest =
        format!("({} degraded, {} unhealthy, {} unknown)", n.degraded + n.partly, n.unhealthy, n.unknown);
    if routable + n.partly == 0 {
        // One that is not decided yet may still come: not the end.
        let phase = if n.unknown > 0 { Phase::Degraded } else { Phase::Failed };
        return Judgement::new(phase, Some("NoRoutableBackends"), format!("No routable backends {rest}"))
            .saying("No routable backends available");
    }
    if routable < all {
        let message = format!("{routable}/{all} backends routable {rest}");
        return Judgement::new(Phase::Degraded, SOME_UNHEALTHY, message)
            .saying(format!("{routable}/{all} backends routable"));
    }
    all_routable(n)
}

fn all_routable(n: &Counts) -> Judgement {
    let healthy = n.healthy;
    if n.unauthenticated > 0 {
        let message =
            format!("{healthy} backends healthy, {} backends require authentication", n.unauthenticated);
        Judgement::new(Phase::Degraded, SOME_UNHEALTHY, message)
    } else if n.degraded > 0 {
        let message = format!("All {} backends routable ({} degraded)", n.all(), n.degraded);
        Judgement::new(Phase::Ready, ALL_ROUTABLE, message)
    } else if n.unprobed > 0 {
        let message = format!("{healthy} backends healthy, {} backends not probed", n.unprobed);
        Judgement::new(Phase::Ready, ALL_ROUTABLE, message)
    } else {
        Judgement::new(Phase::Ready, ALL_ROUTABLE, format!("All {healthy} backends healthy"))
            .saying(format!("All {healthy} backends are healthy"))
    }
}

const ALL_ROUTABLE: Option<&str> = Some("AllBackendsRoutable");
const SOME_UNHEALTHY: Option<&str> = Some("SomeBackendsUnhealthy");

impl Judgement {
    fn new(phase: Phase, reason: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { phase, message: message.into(), reason, ready: None }
    }

    fn saying(self, ready: impl Into<String>) -> Self {
        Self { ready: Some(ready.into()), ..self }
    }
}

impl Counts {
    fn of(members: &[Standing]) -> Self {
        let mut n = Self::default();
        for member in members {
            *match member {
                Standing::Ready => &mut n.healthy,
                Standing::Degraded => &mut n.degraded,
                Standing::Partly => &mut n.partly,
                Standing::Unavailable => &mut n.unhealthy,
                Standing::Unauthenticated => &mut n.unauthenticated,
                Standing::Unprobed => &mut n.unprobed,
                Standing::Undecided => &mut n.unknown,
            } += 1;
        }
        n
    }

    fn all(&self) -> usize {
        self.routable() + self.partly + self.unhealthy + self.unknown
    }

    fn routable(&self) -> usize {
        self.healthy + self.degraded + self.unauthenticated + self.unprobed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter per backend: Healthy, Degraded, Split over nodes, Unhealthy, unAuthenticated, unKnown, unProbed.
    fn check(members: &str, expected: Phase, message: &str, reason: &str) {
        let member = |c| match c {
            'H' => Standing::Ready,
            'D' => Standing::Degraded,
            'S' => Standing::Partly,
            'U' => Standing::Unavailable,
            'A' => Standing::Unauthenticated,
            'K' => Standing::Undecided,
            _ => Standing::Unprobed,
        };
        let members = members.chars().map(member).collect();
        let situation = Situation { published: true, served: true, members, ..Situation::default() };
        let Judgement { phase, message: said, reason: why, .. } = judge(&situation);
        assert_eq!((phase, said.as_str(), why), (expected, message, Some(reason)));
    }

    #[test]
    fn a_served_one_is_judged_by_its_backends() {
        check("", Phase::Ready, "Ready, no backends configured", "AllBackendsRoutable");
        check("HH", Phase::Ready, "All 2 backends healthy", "AllBackendsRoutable");
        check("HD", Phase::Ready, "All 2 backends routable (1 degraded)", "AllBackendsRoutable");
        check("HP", Phase::Ready, "1 backends healthy, 1 backends not probed", "AllBackendsRoutable");
        check("PP", Phase::Ready, "0 backends healthy, 2 backends not probed", "AllBackendsRoutable");
        check(
            "HA",
            Phase::Degraded,
            "1 backends healthy, 1 backends require authentication",
            "SomeBackendsUnhealthy",
        );
        check(
            "KK",
            Phase::Pending,
            "Waiting for initial health checks (2 backends configured)",
            "BackendsPending",
        );
        check(
            "KP",
            Phase::Pending,
            "Waiting for initial health checks (2 backends configured)",
            "BackendsPending",
        );
        check(
            "HK",
            Phase::Degraded,
            "1/2 backends routable (0 degraded, 0 unhealthy, 1 unknown)",
            "SomeBackendsUnhealthy",
        );
        check(
            "HU",
            Phase::Degraded,
            "1/2 backends routable (0 degraded, 1 unhealthy, 0 unknown)",
            "SomeBackendsUnhealthy",
        );
        check(
            "HS",
            Phase::Degraded,
            "1/2 backends routable (1 degraded, 0 unhealthy, 0 unknown)",
            "SomeBackendsUnhealthy",
        );
        check(
            "SU",
            Phase::Degraded,
            "0/2 backends routable (1 degraded, 1 unhealthy, 0 unknown)",
            "SomeBackendsUnhealthy",
        );
        check(
            "UK",
            Phase::Degraded,
            "No routable backends (0 degraded, 1 unhealthy, 1 unknown)",
            "NoRoutableBackends",
        );
        check(
            "UU",
            Phase::Failed,
            "No routable backends (0 degraded, 2 unhealthy, 0 unknown)",
            "NoRoutableBackends",
        );
    }

    #[test]
    fn before_that_compile_and_push_have_their_say() {
        let check = |situation: &Situation<'_>, phase: Phase, message: &str| {
            let judgement = judge(situation);
            assert_eq!((judgement.phase, judgement.message.as_str()), (phase, message));
        };
        let mut situation =
            Situation { refused: Some("Referenced MCPGroup x not found"), ..Default::default() };
        check(&situation, Phase::Failed, "Referenced MCPGroup x not found");
        situation.published = true;
        let kept = "Referenced MCPGroup x not found; what it said before is still served";
        check(&situation, Phase::Failed, kept);
        situation = Situation { waiting: Some("w"), published: true, ..Default::default() };
        check(&situation, Phase::Pending, "w");
        situation = Situation::default();
        check(&situation, Phase::Pending, "Waiting to be published");
        situation.published = true;
        check(&situation, Phase::Pending, "Virtual MCP server is starting");
    }
}

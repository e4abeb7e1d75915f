//! The scenarios: which load, over which backends, for which targets.

use serde::Serialize;

use crate::target::Name;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Set {
    Quick,
    Default,
    Full,
    /// Of all scenarios those that are counted.
    Counts,
}

/// How clients speak to the target; the backends always speak plain HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wire {
    H1,
    H2,
    Tls,
}

/// What happens beside the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Beside {
    Nothing,
    /// The manifests change fifty times a second.
    Edits,
    /// One of the backends takes a second for each call, and has callers of its own.
    SlowBackend,
    /// No load at all: idle sessions.
    IdleSessions,
    /// No load at all: idle sessions, each with a GET stream.
    IdleStreams,
}

/// The servers behind the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Backends {
    pub(crate) count: usize,
    /// Of all of them together; 0: those that calls need.
    pub(crate) tools: usize,
    /// Virtual servers of a gateway, each over as many backends of its own. The servers behind them are the same ones.
    pub(crate) virtual_servers: usize,
}

/// One load and what is behind it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) backends: Backends,
    pub(crate) method: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) arguments: String,
    /// Events of progress that each call asks for.
    pub(crate) progress: bool,
    pub(crate) sessions: usize,
    pub(crate) wire: Wire,
    pub(crate) beside: Beside,
    /// System calls and instructions are counted when that is asked for.
    pub(crate) counted: bool,
    /// Of how many virtual servers the tools are called; none: it is not about virtual servers.
    pub(crate) virtual_servers_called: Option<usize>,
}

const ONE: Backends = Backends { count: 1, tools: 0, virtual_servers: 1 };
/// Sessions where the scenario is about something else.
const SESSIONS: usize = 16;

impl Set {
    /// Rounds, milliseconds of each, idle sessions.
    pub(crate) fn extent(self) -> (usize, u64, usize) {
        match self {
            Self::Quick => (3, 1_500, 1_000),
            Self::Default => (3, 1_000, 2_000),
            Self::Full => (5, 1_000, 10_000),
            Self::Counts => (1, 100, 0),
        }
    }

    /// Who takes part where nobody is named.
    pub(crate) fn targets(self) -> &'static [Name] {
        match self {
            Self::Quick => &[Name::Direct, Name::Tidegate, Name::Nginx],
            Self::Counts => &[Name::Tidegate, Name::Nginx],
            Self::Default | Self::Full => &Name::ALL,
        }
    }
}

impl Scenario {
    fn call(name: &str, tool: &'static str, arguments: String) -> Self {
        Self {
            name: name.into(),
            backends: ONE,
            method: "tools/call",
            tool,
            arguments,
            progress: false,
            sessions: SESSIONS,
            wire: Wire::H1,
            beside: Beside::Nothing,
            counted: false,
            virtual_servers_called: None,
        }
    }

    fn small(name: &str) -> Self {
        Self::call(name, "echo", argument(64))
    }

    fn big(name: &str, bytes: usize) -> Self {
        Self::call(name, "big", format!(r#"{{"bytes":{bytes}}}"#))
    }

    fn list(tools: usize, count: usize) -> Self {
        let name = format!("list-{tools}-tools-{count}-backends");
        let backends = Backends { count, tools, ..ONE };
        Self { method: "tools/list", backends, counted: tools == 20, ..Self::small(&name) }
    }

    fn counted(self) -> Self {
        Self { counted: true, ..self }
    }

    fn sessions(self, sessions: usize) -> Self {
        Self { sessions, ..self }
    }

    fn on(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    fn beside(self, beside: Beside) -> Self {
        Self { beside, ..self }
    }

    fn over(self, count: usize) -> Self {
        Self { backends: Backends { count, ..ONE }, ..self }
    }

    /// A call where the gateway has so many virtual servers over ten backends each.
    fn virtual_servers(name: &str, virtual_servers: usize, called: usize) -> Self {
        let backends = Backends { count: 10, virtual_servers, ..ONE };
        Self { backends, virtual_servers_called: Some(called), ..Self::small(name) }
    }

    /// Whether there is a load, or only what is idle.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.beside, Beside::IdleSessions | Beside::IdleStreams)
    }

    /// Why a target takes no part, if it does not.
    pub(crate) fn leaves_out(&self, target: Name) -> Option<&'static str> {
        match target {
            Name::Tidegate => None,
            Name::Haproxy | Name::Pingora | Name::Fastmcp if self.virtual_servers_called.is_some() => {
                Some("has no virtual servers; nginx is there to see what the machine did meanwhile")
            }
            _ if self.beside == Beside::Edits => Some("has no manifests"),
            Name::Direct if self.is_idle() => Some("is the backend"),
            Name::Fastmcp if self.is_idle() => Some("would take minutes to open the sessions"),
            Name::Fastmcp if self.wire != Wire::H1 => Some("speaks neither HTTP/2 nor TLS"),
            Name::Fastmcp if self.sessions > 64 => Some("would take minutes to open the sessions"),
            Name::Fastmcp if self.backends.tools > 20 => {
                Some("would take minutes, and tells no more than with 20 tools")
            }
            Name::Fastmcp if self.backends.count > 5 => Some("would take minutes to answer"),
            _ => None,
        }
    }
}

/// The arguments of a call whose text has this many bytes.
fn argument(bytes: usize) -> String {
    format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes))
}

/// The scenarios of a set.
pub(crate) fn of(set: Set) -> Vec<Scenario> {
    let mut scenarios = vec![
        Scenario::small("call-64-bytes").counted(),
        Scenario::call("call-16-kib", "echo", argument(16 << 10)).counted(),
        sse(),
        Scenario::list(20, 1),
        session(),
    ];
    if set == Set::Quick {
        return scenarios;
    }
    scenarios.extend([
        Scenario::small("call-64-bytes-1-session").sessions(1),
        Scenario::small("call-64-bytes-64-sessions").sessions(64),
        Scenario::big("answer-100-kb", 100_000),
        Scenario::big("answer-5-mb", 5_000_000).sessions(4),
        Scenario::list(200, 20),
        Scenario::small("h2-call-64-bytes").on(Wire::H2),
        Scenario::small("tls-call-64-bytes").on(Wire::Tls),
        Scenario::small("edits-50-a-second").beside(Beside::Edits),
        Scenario::small("slow-backend-among-20").over(20).beside(Beside::SlowBackend),
        Scenario::small("idle-sessions").beside(Beside::IdleSessions),
        Scenario::small("idle-streams").beside(Beside::IdleStreams),
    ]);
    if set != Set::Default {
        scenarios.extend(further());
    }
    if set == Set::Counts {
        scenarios.retain(|scenario| scenario.counted);
    }
    scenarios
}

/// What only the full set has.
fn further() -> Vec<Scenario> {
    let mut scenarios = vec![
        Scenario::small("call-64-bytes-256-sessions").sessions(256),
        Scenario::small("call-64-bytes-2048-sessions").sessions(2048),
        Scenario::small("call-64-bytes-4-backends").over(4).counted(),
        Scenario::call("call-16-kib-4-backends", "echo", argument(16 << 10)).over(4),
        Scenario { name: "session-4-backends".into(), ..session().over(4) },
        Scenario {
            name: "tls-call-16-kib".into(),
            ..Scenario::call("", "echo", argument(16 << 10)).on(Wire::Tls)
        },
        Scenario { name: "h2-answer-100-kb".into(), ..Scenario::big("", 100_000).on(Wire::H2) },
        Scenario::big("answer-200-bytes", 200),
        Scenario::big("answer-4-kb", 4_000),
        Scenario::virtual_servers("virtual-servers-1", 1, 1),
        Scenario::virtual_servers("virtual-servers-100", 100, 1),
        Scenario::virtual_servers("virtual-servers-1000", 1_000, 1),
        Scenario::virtual_servers("virtual-servers-1000-16-called", 1_000, 16),
    ];
    for tools in [20, 200, 2_000] {
        let counts = [1, 5, 20, 100].into_iter().filter(|count| *count <= tools);
        let known = [(20, 1), (200, 20)];
        let new = counts.filter(|count| !known.contains(&(tools, *count)));
        scenarios.extend(new.map(|count| Scenario::list(tools, count)));
    }
    scenarios
}

fn sse() -> Scenario {
    let call = Scenario::call("sse-10-events", "progress", r#"{"n":10}"#.into());
    Scenario { progress: true, ..call }.counted()
}

fn session() -> Scenario {
    Scenario { method: "session", ..Scenario::small("session") }.counted()
}

/// Prints scenarios and who takes part.
pub(crate) fn list(scenarios: &[Scenario], targets: &[Name]) {
    for scenario in scenarios {
        let part: Vec<_> = targets.iter().filter(|t| scenario.leaves_out(**t).is_none()).collect();
        let names: Vec<_> = part.iter().map(|t| t.as_str()).collect();
        println!("{:<32} {}", scenario.name, names.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_set_has_all_of_the_smaller_one_and_no_name_twice() {
        let names = |set| of(set).into_iter().map(|s| s.name).collect::<Vec<_>>();
        let (quick, default, full) = (names(Set::Quick), names(Set::Default), names(Set::Full));
        assert!(default.starts_with(&quick) && full.starts_with(&default));
        assert_eq!(full.iter().collect::<BTreeSet<_>>().len(), full.len(), "{full:?}");
    }

    #[test]
    fn arguments_are_json_of_the_size_that_the_name_says() {
        for scenario in of(Set::Full) {
            let parsed: serde_json::Value = serde_json::from_str(&scenario.arguments).unwrap();
            assert!(parsed.is_object(), "{}", scenario.name);
        }
        assert_eq!(argument(64).len(), r#"{"text":""}"#.len() + 64);
    }

    #[test]
    fn lists_have_at_least_a_tool_for_each_backend() {
        for scenario in of(Set::Full) {
            let Backends { count, tools, .. } = scenario.backends;
            assert!(tools == 0 || (count <= tools && tools % count == 0), "{}", scenario.name);
        }
    }
}

//! What a mock saw: counters and the last request of each method.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hyper::HeaderMap;
use serde::{Deserialize, Serialize};

/// The methods that are counted by name, and the names.
const METHODS: [(Method, &str); 11] = [
    (Method::Initialize, "initialize"),
    (Method::Initialized, "notifications/initialized"),
    (Method::Cancelled, "notifications/cancelled"),
    (Method::Notification, "notifications/other"),
    (Method::Ping, "ping"),
    (Method::ToolsList, "tools/list"),
    (Method::ToolsCall, "tools/call"),
    (Method::Answer, "answer"),
    (Method::Get, "GET"),
    (Method::Delete, "DELETE"),
    (Method::Other, "other"),
];

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Initialize,
    Initialized,
    Cancelled,
    Notification,
    Ping,
    ToolsList,
    ToolsCall,
    Answer,
    Get,
    Delete,
    Other,
}

/// A snapshot of everything that a mock saw: the body of `GET /_stats`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Its name.
    pub name: String,
    /// Requests by JSON-RPC method; `GET` and `DELETE` by HTTP method; `answer` for answers to requests of the server.
    pub requests: BTreeMap<String, u64>,
    /// `tools/call` by tool, also those that were not answered.
    pub calls: BTreeMap<String, u64>,
    /// Sessions that are open.
    pub sessions_open: u64,
    /// Sessions opened since the start.
    pub sessions_opened: u64,
    /// Sessions ended by DELETE.
    pub sessions_deleted: u64,
    /// GET streams that are open.
    pub streams_open: u64,
    /// Slow calls that run now.
    pub calls_running: u64,
    /// Calls ended by `notifications/cancelled`.
    pub cancelled: u64,
    /// Calls whose client went away before the end.
    pub disconnects: u64,
    /// Connections accepted since the start.
    pub connections_accepted: u64,
    /// Connections that are open, the one that asks included.
    pub connections_open: u64,
    /// The longest time between two requests of a method, or since the last one, in milliseconds; `probe` for those
    /// that probes consist of (`initialize`, `ping`, `tools/list`) taken together.
    pub longest_gap_ms: BTreeMap<String, u64>,
    /// The last request of all.
    pub last: Option<Seen>,
    /// The last request of each method.
    pub last_by_method: BTreeMap<String, Seen>,
}

/// One request as received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// As in [`Stats::requests`].
    pub method: String,
    /// In the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, lossily as UTF-8.
    pub body: String,
}

/// A counter that only grows.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

/// The live counters behind [`Stats`].
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) sessions_opened: Count,
    pub(crate) sessions_deleted: Count,
    pub(crate) cancelled: Count,
    pub(crate) disconnects: Count,
    pub(crate) connections_accepted: Count,
    pub(crate) connections_closed: Count,
    requests: [Count; METHODS.len()],
    last: [Mutex<Option<Last>>; METHODS.len()],
    probes: Mutex<Option<Gap>>,
    order: Count,
}

/// The longest time between two of something.
#[derive(Clone, Copy)]
struct Gap {
    last: Instant,
    longest_ms: u64,
}

struct Last {
    order: u64,
    gap: Gap,
    headers: HeaderMap,
    body: Bytes,
}

impl Count {
    pub(crate) fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Method {
    /// Which method a JSON-RPC message with this `method` is; none: an answer.
    pub(crate) fn of(method: Option<&str>) -> Self {
        match method {
            None => Method::Answer,
            Some(name) => match METHODS.iter().find(|(_, n)| *n == name) {
                Some((method, _)) => *method,
                None if name.starts_with("notifications/") => Method::Notification,
                None => Method::Other,
            },
        }
    }

    /// As in [`Stats::requests`].
    pub(crate) fn name(self) -> &'static str {
        METHODS[self as usize].1
    }
}

impl Counters {
    /// Counts a request and keeps it as the last of its method.
    pub(crate) fn saw(&self, method: Method, headers: HeaderMap, body: Bytes) {
        self.requests[method as usize].add(1);
        let order = self.order.add(1);
        let mut last = self.last[method as usize].lock().unwrap_or_else(PoisonError::into_inner);
        let gap = Gap::next(last.as_ref().map(|l| l.gap));
        *last = Some(Last { order, gap, headers, body });
        drop(last);
        if matches!(method, Method::Initialize | Method::Ping | Method::ToolsList) {
            let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
            *probes = Some(Gap::next(*probes));
        }
    }

    /// Measures the gaps between requests from now on.
    pub(crate) fn forget_gaps(&self) {
        for last in &self.last {
            if let Some(last) = &mut *last.lock().unwrap_or_else(PoisonError::into_inner) {
                last.gap = Gap::next(None);
            }
        }
        if let Some(probes) = &mut *self.probes.lock().unwrap_or_else(PoisonError::into_inner) {
            *probes = Gap::next(None);
        }
    }

    /// Fills the part of the snapshot that is about requests and connections.
    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.sessions_opened = self.sessions_opened.get();
        stats.sessions_deleted = self.sessions_deleted.get();
        stats.cancelled = self.cancelled.get();
        stats.disconnects = self.disconnects.get();
        // closed first: a connection that comes and goes between the two reads must not make the difference negative
        let closed = self.connections_closed.get();
        stats.connections_accepted = self.connections_accepted.get();
        stats.connections_open = stats.connections_accepted - closed;
        let mut newest = None;
        if let Some(probes) = *self.probes.lock().unwrap_or_else(PoisonError::into_inner) {
            stats.longest_gap_ms.insert("probe".into(), probes.longest_ms());
        }
        for (method, name) in METHODS {
            stats.requests.insert(name.into(), self.requests[method as usize].get());
            let last = self.last[method as usize].lock().unwrap_or_else(PoisonError::into_inner);
            let Some(last) = &*last else { continue };
            stats.longest_gap_ms.insert(name.into(), last.gap.longest_ms());
            stats.last_by_method.insert(name.into(), last.seen(name));
            newest = newest.max(Some((last.order, name)));
        }
        stats.last = newest.and_then(|(_, name)| stats.last_by_method.get(name).cloned());
    }
}

impl Stats {
    /// How many requests of a method came.
    pub fn requests_of(&self, method: &str) -> u64 {
        self.requests.get(method).copied().unwrap_or(0)
    }

    /// How often a tool was called.
    pub fn calls_of(&self, tool: &str) -> u64 {
        self.calls.get(tool).copied().unwrap_or(0)
    }
}

impl Seen {
    /// The value of a header; the first if it came more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

impl Gap {
    /// After one more, now.
    fn next(before: Option<Self>) -> Self {
        Self { last: Instant::now(), longest_ms: before.map_or(0, Self::longest_ms) }
    }

    /// Until now.
    fn longest_ms(self) -> u64 {
        let since = u64::try_from(self.last.elapsed().as_millis()).unwrap_or(u64::MAX);
        since.max(self.longest_ms)
    }
}

impl Last {
    fn seen(&self, method: &str) -> Seen {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = self.headers.iter().map(|(n, v)| (n.to_string(), text(v.as_bytes())));
        Seen { method: method.into(), headers: headers.collect(), body: text(&self.body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_stand_at_their_own_place_in_the_list_of_names() {
        for (method, name) in METHODS {
            assert_eq!(method.name(), name);
        }
        assert_eq!(Method::of(Some("notifications/x")), Method::Notification);
        assert_eq!(Method::of(Some("resources/list")), Method::Other);
        assert_eq!(Method::of(None), Method::Answer);
    }
}

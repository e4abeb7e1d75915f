//! The end of a request: counted once, and logged where that is asked for.

use super::Arrival;
use crate::metrics::{End, Kind};
use crate::request_log::REQUESTS;
use crate::snapshot::Server;
use std::sync::Arc;
use tidegate_dataplane_core::fault::Fault;

/// Counts a request exactly once, also when its future is dropped: until told otherwise, the client left.
pub(super) struct Record {
    pub(super) server: Arc<Server>,
    pub(super) end: End,
    /// position of the tool in the server's catalog
    pub(super) tool: Option<usize>,
    kind: Kind,
    fault: Option<&'static str>,
    arrival: Arrival,
}

impl Record {
    pub(super) fn new(server: &Arc<Server>, kind: Kind, arrival: Arrival) -> Self {
        Self { server: server.clone(), end: End::ClientGone, tool: None, kind, fault: None, arrival }
    }

    /// It failed: before an answer ([`End::Fault`]) or in the middle of one ([`End::Cut`]).
    pub(super) fn fail(&mut self, end: End, fault: &Fault) {
        (self.end, self.fault) = (end, Some(fault.code()));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Self { server, end, tool, kind, fault, arrival } = self;
        server.lasting.stats.count(*kind, *end);
        if REQUESTS.wants(server.spec.request_log, *end == End::Ok) {
            log(Some(server), *kind, *end, *tool, *fault, *arrival);
        }
    }
}

/// A request that was answered at once.
pub(super) fn answered(server: &Server, kind: Kind, arrival: Arrival) {
    server.lasting.stats.count(kind, End::Ok);
    if REQUESTS.wants(server.spec.request_log, true) {
        log(Some(server), kind, End::Ok, None, None, arrival);
    }
}

/// A request that was refused at once.
pub(super) fn refused(server: &Server, kind: Kind, fault: &Fault, arrival: Arrival) {
    server.lasting.stats.count(kind, End::Fault);
    if REQUESTS.wants(server.spec.request_log, false) {
        log(Some(server), kind, End::Fault, None, Some(fault.code()), arrival);
    }
}

/// A request that belongs to no virtual server. Only its fault is counted.
pub(super) fn stray(fault: &Fault, arrival: Arrival) {
    if REQUESTS.wants(false, false) {
        log(None, Kind::Other, End::Fault, None, Some(fault.code()), arrival);
    }
}

#[cold]
fn log(
    server: Option<&Server>,
    kind: Kind,
    end: End,
    tool: Option<usize>,
    fault: Option<&'static str>,
    arrival: Arrival,
) {
    let tool = server.zip(tool).and_then(|(s, at)| Some((s, s.catalog.at(at)?)));
    let member = tool.and_then(|(s, t)| s.members.get(usize::from(t.member)));
    tracing::info!(
        target: "request",
        virtual_server = server.map(|s| tracing::field::display(s.id())),
        kind = kind.as_str(),
        tool = tool.map(|(_, t)| &*t.exposed),
        backend = member.map(|m| tracing::field::display(&m.backend.spec.id)),
        end = end.as_str(),
        fault,
        duration_us = u64::try_from(arrival.at.elapsed().as_micros()).unwrap_or(u64::MAX),
        client = %arrival.from,
        "request"
    );
}

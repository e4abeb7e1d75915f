//! `/health`, `/readyz` and their like on the port of a virtual server (spec 3.2).

use super::request::Conn;
use super::{Arrival, Step, reply};
use crate::io::Io;
use std::task::Context;
use tidegate_dataplane_codec::http::RequestHead;
use tidegate_dataplane_core::fault::Fault;
use tidegate_dataplane_core::route::Endpoint;

impl Conn<'_> {
    pub(super) fn operational<C: Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut C,
        head: &RequestHead<'_, '_>,
        endpoint: Endpoint,
        arrival: Arrival,
    ) -> Step {
        if !matches!(head.method, "GET" | "HEAD") {
            return self.fault(cx, io, &Fault::MethodNotAllowed, arrival);
        }
        let (status, body): (u16, &[u8]) = match endpoint {
            Endpoint::Health => (200, br#"{"status":"ok"}"#),
            Endpoint::Ready if self.site.gw.ready() => (200, br#"{"status":"ready","mode":"dynamic"}"#),
            Endpoint::Ready => {
                (503, br#"{"status":"not_ready","mode":"dynamic","reason":"cache_sync_pending"}"#)
            }
            _ => (404, br#"{"error":"not_found"}"#),
        };
        let mut answer = reply::json(status, &[("cache-control", "no-store")], arrival.close, body);
        if head.method == "HEAD" {
            answer.truncate(answer.len() - body.len());
        }
        self.reply(cx, io, &[&answer], arrival)
    }
}

//! `/health`, `/readyz`, `/status` and their like on the port of a virtual server (spec 3.2).

use super::request::Conn;
use super::{Arrival, Step, reply, status};
use crate::io::Io;
use crate::snapshot::Server;
use std::borrow::Cow;
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
        server: Option<&Server>,
        endpoint: Endpoint,
        arrival: Arrival,
    ) -> Step {
        if !matches!(head.method, "GET" | "HEAD") {
            let body = Fault::MethodNotAllowed.body(reply::id_or_null(b""));
            self.site.gw.stats.fault(Fault::MethodNotAllowed.code());
            let answer = reply::json(405, &[("allow", "GET, HEAD")], arrival.close, &body);
            return self.reply(cx, io, &[&answer], arrival);
        }
        let (status, body): (u16, Cow<'static, [u8]>) = match (endpoint, server) {
            (Endpoint::Health, _) => (200, br#"{"status":"ok"}"#.into()),
            (Endpoint::Ready, _) if self.site.gw.ready() => {
                (200, br#"{"status":"ready","mode":"dynamic"}"#.into())
            }
            (Endpoint::Ready, _) => {
                (503, br#"{"status":"not_ready","mode":"dynamic","reason":"cache_sync_pending"}"#.into())
            }
            (Endpoint::Status, Some(server)) => (200, status::status(server).into()),
            (Endpoint::BackendsHealth, Some(server)) => (200, status::health(server).into()),
            _ => (404, br#"{"error":"not_found"}"#.into()),
        };
        let fields = [("cache-control", "no-store"), ("x-content-type-options", "nosniff")];
        let mut answer = reply::json(status, &fields, arrival.close, &body);
        if head.method == "HEAD" {
            answer.truncate(answer.len() - body.len());
        }
        self.reply(cx, io, &[&answer], arrival)
    }
}

//! The GET stream of a session: held open with keep-alives; tells the client when the list of tools changed.

use super::Arrival;
use super::record::Record;
use super::reply;
use super::request::Conn;
use crate::clients::What;
use crate::io::Io;
use crate::local::local;
use crate::metrics::End;
use crate::session::Session;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll::{Pending, Ready};
use tidegate_dataplane_codec::sse;
use tidegate_dataplane_core::fault::Fault;

const LIST_CHANGED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// Tells the client to open the stream again in a moment: another process serves it then.
const COME_BACK: &[u8] = b"retry: 100\n\n";

/// Counts an open stream while it lives.
struct Open<'r>(&'r Record);

impl<'r> Open<'r> {
    fn new(record: &'r Record) -> Self {
        record.server.lasting.stats.streams_open.fetch_add(1, Relaxed);
        Self(record)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.server.lasting.stats.streams_open.fetch_sub(1, Relaxed);
    }
}

impl Conn<'_> {
    /// Serves the stream to its end; the connection ends with it.
    pub(super) async fn stream<C: Io>(
        &mut self,
        io: &mut C,
        mut record: Record,
        session: Arc<Session>,
        arrival: Arrival,
    ) -> bool {
        let Ok(_place) = self.site.gw.clients.take(self.peer.address, What::Stream) else {
            record.fail(End::Fault, &Fault::Overloaded);
            let answer = self.write_fault(&Fault::Overloaded, arrival);
            return self.flush(io, &answer).await && !arrival.close;
        };
        let ended = {
            let _open = Open::new(&record);
            self.run_stream(io, &record, &session).await
        };
        record.end = if ended { End::Ok } else { End::ClientGone };
        false
    }

    /// True when the gateway ended it, false when the client left.
    async fn run_stream<C: Io>(&mut self, io: &mut C, record: &Record, session: &Session) -> bool {
        let mut changes = record.server.lasting.catalog.subscribe();
        let mut draining = self.site.gw.draining();
        let mut out = Vec::with_capacity(256);
        let fields = [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ];
        reply::head(&mut out, 200, &fields, true);
        out.extend_from_slice(b"\r\n");
        let mut tick = tokio::time::interval(self.site.gw.options.keep_alive);
        tick.reset();
        // from here on its end is not missed, whatever this is doing
        let mut ended = pin!(session.end.notified());
        ended.as_mut().enable();
        loop {
            if !self.flush(io, &out).await {
                return false;
            }
            out.clear();
            if session.ended() {
                return true;
            }
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => sse::write_event(&mut out, Some("message"), None, LIST_CHANGED),
                    Err(_) => return true,
                },
                _ = tick.tick() => out.extend_from_slice(sse::KEEP_ALIVE),
                () = &mut ended => return true,
                _ = draining.wait_for(|d| *d) => break,
                _ = gone(io) => return false,
            }
        }
        self.flush(io, COME_BACK).await
    }
}

/// Waits until the client has closed. What it sends on a stream's connection is not looked at.
async fn gone<C: Io>(io: &mut C) -> io::Result<()> {
    poll_fn(|cx| {
        local(|l| {
            loop {
                match io.poll_read(cx, &mut l.scratch) {
                    Pending => return Pending,
                    Ready(Ok(0)) => return Ready(Ok(())),
                    Ready(Ok(_)) => {}
                    Ready(Err(e)) => return Ready(Err(e)),
                }
            }
        })
    })
    .await
}

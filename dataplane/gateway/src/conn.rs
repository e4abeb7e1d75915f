//! One client connection over HTTP/1.1. The hot path runs inside poll functions that do not yield in
//! between: a request is read into the thread's buffer, decided on, rewritten and sent upstream in one go,
//! and each read of the answer is sent on in one go. A connection owns memory only while something is left
//! over: half a request, a slow reader.

mod again;
mod answer;
mod call;
mod complaint;
mod decide;
mod forward;
mod kept;
mod opening;
mod operational;
mod post;
mod record;
mod reply;
mod request;
mod slow;
mod status;
mod stream;

use crate::io::Io;
use crate::state::Gateway;
use slow::Slow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tidegate_proto::table::VirtualServerId;

/// Where a connection came in.
pub(crate) struct Site {
    pub(crate) gw: Arc<Gateway>,
    /// The virtual server that owns the port; None: the shared port.
    pub(crate) owner: Option<VirtualServerId>,
}

/// Who is at the other end.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// The connection came to a loopback address.
    pub(crate) loopback: bool,
}

/// Why `serve` returned.
pub(crate) enum Outcome {
    /// The connection is to be closed.
    Closed,
    /// The same, since the client did not read what it asked for.
    Stalled,
    /// It begins with the HTTP/2 preface; these bytes were read already.
    Http2(Vec<u8>),
}

/// What a request led to.
enum Step {
    /// Answered; what could not be written yet, and whether the connection ends.
    Replied {
        rest: Vec<u8>,
        close: bool,
    },
    /// On its way to a backend: it is in the connection, since it is too large to be handed from one to the next.
    Call,
    /// Needs more than one poll.
    Slow(Box<Slow>),
    Http2,
    End,
}

/// Serves requests until the connection ends.
pub(crate) async fn serve<C: Io>(io: &mut C, site: &Site, peer: Peer) -> Outcome {
    let mut conn = request::Conn::new(site, peer);
    loop {
        let keep = match conn.next(io).await {
            Step::End => return Outcome::Closed,
            Step::Http2 => return Outcome::Http2(conn.take_read()),
            Step::Replied { rest, close } => conn.flush(io, &rest).await && !close,
            Step::Call => {
                let _busy = Busy::new(&site.gw);
                conn.started_call(io).await
            }
            Step::Slow(slow) => {
                let _busy = Busy::new(&site.gw);
                // boxed: it is rare, and its state is larger than a whole connection's
                let goes_on = Box::pin(conn.slow(io, *slow)).await;
                // it may have waited for long, and the silence that is allowed begins now
                conn.now = Instant::now();
                goes_on
            }
        };
        // a drain ends it when the client was told so, or after a while of silence
        if !keep {
            return if conn.stalled() { Outcome::Stalled } else { Outcome::Closed };
        }
    }
}

/// A request that drain waits for.
struct Busy<'g>(&'g Gateway);

impl<'g> Busy<'g> {
    fn new(gw: &'g Gateway) -> Self {
        gw.stats.in_flight.fetch_add(1, Relaxed);
        Self(gw)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.stats.in_flight.fetch_sub(1, Relaxed);
    }
}

/// What every disposition needs to know of the request.
#[derive(Clone, Copy)]
struct Arrival {
    at: Instant,
    /// the client's address
    from: IpAddr,
    /// the connection ends with the answer
    close: bool,
}

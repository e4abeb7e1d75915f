//! The beginning and the end of a connection over TLS.

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use rustls::{HandshakeKind, InvalidMessage};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;
use super::stats::{FAILURES, Failure};
use crate::drain::linger;
use crate::metrics::inc;
use crate::state::Gateway;

impl Tls {
    /// What a client says inside TLS; none when there is no agreement in time. The client has its place already.
    pub(crate) async fn shake_hands(
        &self,
        stream: TcpStream,
        gw: &Gateway,
        from: IpAddr,
    ) -> Option<TlsStream<TcpStream>> {
        let accept = TlsAcceptor::from(self.config.load_full()).accept(stream);
        let shaken = tokio::select! {
            biased;
            shaken = tokio::time::timeout(gw.options.head, accept) => shaken.map_err(|_| late()).flatten(),
            () = drained(gw) => Err(late()),
        };
        match shaken {
            Ok(stream) => {
                let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
                let stats = &gw.stats.tls;
                inc(if resumed { &stats.resumed } else { &stats.full });
                Some(stream)
            }
            Err(error) => {
                failed(gw, &error, from);
                None
            }
        }
    }
}

/// Sends what is held back, and that nothing follows: so a client can tell an end from a cut.
pub(crate) async fn close(mut stream: TlsStream<TcpStream>, gw: &Gateway) {
    // an error: it has gone
    if tokio::time::timeout(gw.options.read, stream.shutdown()).await.is_err() {
        gw.slow_reader();
    }
}

fn late() -> io::Error {
    ErrorKind::TimedOut.into()
}

/// A drain gives a handshake as long as it gives a connection without a request.
async fn drained(gw: &Gateway) {
    // an error means that the sender is gone, which `gw` holds
    let _ = gw.draining().wait_for(|d| *d).await;
    tokio::time::sleep(linger(gw.options.drain)).await;
}

fn failed(gw: &Gateway, error: &io::Error, from: IpAddr) {
    let why = judge(error);
    let reason = FAILURES[why as usize];
    let due = gw.stats.tls.failed(why);
    // whoever probes a port goes away like that
    if why == Failure::ClientGone {
        tracing::debug!(reason, client = %from, "tls handshake failed");
    } else if let Some(count) = due {
        tracing::warn!(reason, %error, count, client = %from, "tls handshakes failed");
    }
}

fn judge(error: &io::Error) -> Failure {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), _) => Failure::NotTls,
        (Some(_), _) => Failure::Refused,
        (None, ErrorKind::TimedOut) => Failure::Timeout,
        (None, _) => Failure::ClientGone,
    }
}

//! One client connection, from its first byte to its end. HTTP/1.1 is ours ([`crate::conn`]) and runs on the bare socket
//! or on TLS; a connection that begins with the HTTP/2 preface goes to Pingora's HTTP/2, behind which the same pipeline
//! runs ([`crate::h2`]).

use crate::conn::{self, Outcome, Peer, Site};
use crate::h2::H2;
use crate::io::Holding;
use crate::tls::{self, Rewound, Tls};
use pingora_core::apps::ServerApp;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;
use tokio::net::TcpStream;

/// MCP with one client.
pub(crate) async fn serve(mut stream: TcpStream, site: Arc<Site>, peer: Peer, shutdown: &ShutdownWatch) {
    match conn::serve(&mut stream, &site, peer).await {
        Outcome::Closed | Outcome::Stalled => {}
        Outcome::Http2(read) => {
            let mut stream = L4Stream::from(stream);
            // the preface is given back, for Pingora to find
            stream.rewind(&read);
            Arc::new(H2::new(site, peer)).process_new(Box::new(stream), shutdown).await;
        }
    }
}

/// The same over TLS. Which protocol is spoken the first bytes say, whatever ALPN said: their wait is bounded.
pub(crate) async fn serve_tls(
    stream: TcpStream,
    tls: &Tls,
    site: Arc<Site>,
    peer: Peer,
    shutdown: &ShutdownWatch,
) {
    let Some(stream) = tls.shake_hands(stream, &site.gw, peer.address).await else { return };
    let mut stream = Holding::new(stream);
    match conn::serve(&mut stream, &site, peer).await {
        Outcome::Closed => tls::close(stream.into_inner(), &site.gw).await,
        Outcome::Stalled => {}
        Outcome::Http2(read) => {
            let stream = Rewound::new(read, stream.into_inner());
            Arc::new(H2::new(site, peer)).process_new(Box::new(stream), shutdown).await;
        }
    }
}

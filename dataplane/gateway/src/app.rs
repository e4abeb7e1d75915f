//! One client connection, from its first byte to its end. HTTP/1.1 is ours ([`crate::conn`]) and runs on the bare socket;
//! a connection that begins with the HTTP/2 preface goes to Pingora's HTTP/2, behind which the same pipeline runs
//! ([`crate::h2`]).

use crate::conn::{self, Outcome, Peer, Site};
use crate::h2::H2;
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

//! The Pingora application behind every listener. HTTP/1.1 is ours ([`crate::conn`]); a connection that
//! begins with the HTTP/2 preface goes to Pingora's HTTP/2, behind which the same pipeline runs ([`crate::h2`]).

use crate::conn::{self, Outcome, Peer, Site};
use crate::h2::H2;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;

/// MCP with one client.
pub(crate) struct Mcp {
    pub(crate) site: Arc<Site>,
    pub(crate) peer: Peer,
}

#[async_trait]
impl ServerApp for Mcp {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        match conn::serve(&mut stream, &self.site, self.peer).await {
            Outcome::Closed | Outcome::Stalled => None,
            Outcome::Http2(read) => {
                // the preface is given back, for Pingora to find
                let mut plain = stream.into_any().downcast::<L4Stream>().ok()?;
                plain.rewind(&read);
                Arc::new(H2::new(self.site.clone(), self.peer)).process_new(plain, shutdown).await
            }
        }
    }
}

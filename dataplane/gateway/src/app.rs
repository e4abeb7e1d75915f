//! The Pingora application behind every listener. HTTP/1.1 is ours ([`crate::conn`]); a connection that
//! begins with the HTTP/2 preface goes to Pingora's HTTP/2, behind which the same pipeline runs ([`crate::h2`]).

use crate::conn::{self, Outcome, Site};
use crate::h2::H2;
use crate::state::Gateway;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;
use tidegate_proto::table::VirtualServerId;

/// MCP on one listener.
pub(crate) struct Mcp {
    site: Arc<Site>,
    loopback: bool,
    h2: Arc<H2>,
}

impl Mcp {
    /// `loopback`: for connections whose local address is one.
    pub(crate) fn new(gw: Arc<Gateway>, owner: Option<VirtualServerId>, loopback: bool) -> Self {
        let site = Arc::new(Site { gw, owner });
        let h2 = Arc::new(H2::new(site.clone(), loopback));
        Self { site, loopback, h2 }
    }
}

#[async_trait]
impl ServerApp for Mcp {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        match conn::serve(&mut stream, &self.site, self.loopback).await {
            Outcome::Closed => None,
            Outcome::Http2(read) => {
                // the preface is given back, for Pingora to find
                let mut plain = stream.into_any().downcast::<L4Stream>().ok()?;
                plain.rewind(&read);
                self.h2.process_new(plain, shutdown).await
            }
        }
    }
}

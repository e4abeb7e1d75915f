//! `blind-pingora`: Pingora's own HTTP proxy with nothing added, which passes everything on to one backend.
//!
//! It is what the gateway would cost if it stood on Pingora's HTTP sessions, and knows nothing of MCP.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use async_trait::async_trait;
use clap::Parser;
use pingora_core::apps::HttpServerOptions;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Idle connections to the backend that are kept.
const POOL: usize = 4096;

/// A plain reverse proxy on Pingora, with one thread for each of its ports.
#[derive(Parser)]
#[command(name = "blind-pingora", version, max_term_width = 110)]
struct Args {
    /// Where to pass everything on to
    #[arg(long, value_name = "ADDR:PORT")]
    backend: SocketAddr,
    /// Port for HTTP/1.1
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Port for HTTP/2 by prior knowledge
    #[arg(long, value_name = "ADDR:PORT")]
    listen_h2: Option<SocketAddr>,
    /// Port for HTTP/1.1 over TLS
    #[arg(long, value_name = "ADDR:PORT", requires_all = ["tls_cert", "tls_key"])]
    listen_tls: Option<SocketAddr>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

struct Blind(SocketAddr);

#[async_trait]
impl ProxyHttp for Blind {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: POOL, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut plain = http_proxy_service(&server.configuration, Blind(args.backend));
    plain.add_tcp(&args.listen.to_string());
    server.add_service(plain);
    if let Some(listen) = args.listen_h2 {
        let mut service = http_proxy_service(&server.configuration, Blind(args.backend));
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        service.app_logic_mut().context("a service without its logic")?.server_options = Some(options);
        service.add_tcp(&listen.to_string());
        server.add_service(service);
    }
    if let (Some(listen), Some(cert), Some(key)) = (args.listen_tls, &args.tls_cert, &args.tls_key) {
        let mut service = http_proxy_service(&server.configuration, Blind(args.backend));
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        service.add_tls(&listen.to_string(), &cert, &key).context("--tls-cert and --tls-key")?;
        server.add_service(service);
    }
    server.run_forever()
}

//! Running a server: over streamable HTTP on an address, or over stdio.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, ServiceExt};
use tokio::net::TcpListener;

/// How a server is reached.
#[derive(Clone, Debug, clap::Args)]
pub struct Reach {
    /// Serve streamable HTTP at http://ADDR:PORT/mcp
    #[arg(long, value_name = "ADDR:PORT", required_unless_present = "stdio")]
    pub listen: Option<SocketAddr>,
    /// Serve one client over stdin and stdout
    #[arg(long, conflicts_with = "listen")]
    pub stdio: bool,
    /// Host name that clients may use beside loopback and the listening address (DNS rebinding protection)
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
}

/// Serves until the client leaves (stdio) or the process is asked to end (HTTP).
pub async fn serve<S: ServerHandler + Clone + Sync>(server: S, reach: Reach) -> anyhow::Result<()> {
    let Some(addr) = reach.listen else {
        server.serve(rmcp::transport::stdio()).await?.waiting().await?;
        return Ok(());
    };
    let listener = TcpListener::bind(addr).await?;
    // stdout belongs to the protocol in stdio mode, so that both modes talk on stderr
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    tokio::select! {
        result = accept(listener, server, reach.allow_host) => result,
        result = asked_to_end() => Ok(result?),
    }
}

/// Serves streamable HTTP on a listener.
pub async fn accept<S: ServerHandler + Clone + Sync>(
    listener: TcpListener,
    server: S,
    allow_hosts: Vec<String>,
) -> anyhow::Result<()> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    hosts.push(listener.local_addr()?.ip().to_string());
    hosts.extend(allow_hosts);
    let config = StreamableHttpServerConfig::default().with_allowed_hosts(hosts);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let handle = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, Infallible>(service.handle(request).await) }
            });
            // an error is a client that went away
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), handle).await;
        });
    }
}

async fn asked_to_end() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminate.recv() => Ok(()),
    }
}

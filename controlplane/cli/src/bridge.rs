//! A stdio MCP server behind streamable HTTP: what `tidegate up` runs for `tidegate.dev/command` with transport stdio.
//!
//! Each MCP session has a child of its own, so that sessions share nothing the server did not mean to share. Messages
//! are relayed as the bytes they came in (only line ends between JSON tokens change); rmcp gives the ids, errors and
//! header names. What stdio and HTTP disagree on is in [`routes`].

mod body;
mod envelope;
mod http;
mod routes;
mod session;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::signals::Signals;
use sessions::Sessions;

/// Open connections; more wait in the listen queue.
const CONNECTIONS: usize = 512;
/// How long a client may take to send a request head.
const HEAD: Duration = Duration::from_secs(30);
/// How long children may take to leave when the bridge ends.
const LEAVE: Duration = Duration::from_secs(5);

/// Arguments of the bridge.
#[derive(clap::Args, Debug)]
pub(crate) struct BridgeArgs {
    /// Where to serve streamable HTTP
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// The path of the endpoint
    #[arg(long, default_value = "/mcp")]
    path: String,
    /// At most so many sessions, each with a process of its own
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    max_sessions: u16,
    /// Seconds after which an unused session is closed
    #[arg(long, default_value_t = 1800, value_parser = clap::value_parser!(u32).range(1..))]
    idle_seconds: u32,
    /// The stdio server: program and arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(args: BridgeArgs) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let idle = Duration::from_secs(args.idle_seconds.into());
    let sessions = Sessions::new(args.command, args.max_sessions.into(), idle);
    let site = Arc::new(http::Site { path: args.path, sessions: Arc::clone(&sessions) });
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("--listen {}: cannot listen there", args.listen))?;
    tracing::info!(address = %listener.local_addr()?, path = site.path, "bridge ready");
    tokio::select! {
        () = accept(listener, site) => {}
        () = sessions.reap() => {}
        () = signals.next() => {}
    }
    sessions.close_all();
    tokio::time::timeout(LEAVE, sessions.ended()).await.unwrap_or(());
    Ok(())
}

async fn accept(listener: TcpListener, site: Arc<http::Site>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    serve(stream, site).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors: those in use come back.
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, site: Arc<http::Site>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, std::convert::Infallible>(http::handle(site, request).await) }
    });
    let mut connection = hyper::server::conn::http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD);
    if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended");
    }
}

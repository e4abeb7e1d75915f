//! The listener and its connections, on threads of their own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::control::Control;
use crate::line::{Line, Stream};
use crate::options::Options;
use crate::state::State;
use crate::stats::Stats;
use crate::tls;

const BACKLOG: u32 = 4096;
/// Between two looks of [`Mock::eventually`].
const LOOK: Duration = Duration::from_millis(2);

/// A running mock. Dropped, it stops at once and closes all connections; those of [`Mock::start_many`] stop with the
/// last of them.
pub struct Mock {
    /// Where it listens.
    pub addr: SocketAddr,
    state: Arc<State>,
    /// Taken out only by drop.
    runtime: Option<Arc<Runtime>>,
}

impl Mock {
    /// Starts a mock on threads of its own; it listens when this returns. May be called inside a runtime and outside.
    pub fn start(options: Options) -> io::Result<Self> {
        let runtime = runtime(&options)?;
        Self::start_on(runtime, options)
    }

    /// Starts several on the same threads: at this port and those after it (or each at any, for port 0), named
    /// `NAME-0` and so on.
    pub fn start_many(options: &Options, count: u16) -> io::Result<Vec<Self>> {
        let runtime = runtime(options)?;
        let one = |n: u16| {
            let mut options = Options { name: format!("{}-{n}", options.name), ..options.clone() };
            if options.listen.port() != 0 {
                options.listen.set_port(options.listen.port().saturating_add(n));
            }
            Self::start_on(runtime.clone(), options)
        };
        (0..count).map(one).collect()
    }

    fn start_on(runtime: Arc<Runtime>, options: Options) -> io::Result<Self> {
        let listener = {
            let _inside = runtime.enter();
            listen(options.listen)?
        };
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(options));
        let tls = tls::acceptor(&state.options)?;
        runtime.spawn(accept(listener, tls, state.clone()));
        Ok(Self { addr, state, runtime: Some(runtime) })
    }

    /// `http://ADDR/mcp`
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.addr)
    }

    /// What it saw until now.
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// Changes how it behaves, as `POST /_control` does.
    pub fn control(&self, control: &Control) {
        self.state.control(control);
    }

    /// Waits until a condition holds; the last snapshot, as an error when it did not hold in time.
    pub async fn eventually(
        &self,
        within: Duration,
        condition: impl Fn(&Stats) -> bool,
    ) -> Result<Stats, Box<Stats>> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let stats = self.stats();
            if condition(&stats) {
                return Ok(stats);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Box::new(stats));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take().and_then(Arc::into_inner) {
            // unlike its own drop this is allowed inside another runtime
            runtime.shutdown_background();
        }
    }
}

fn runtime(options: &Options) -> io::Result<Arc<Runtime>> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(options.threads.max(1)).thread_name(format!("mock-{}", options.name));
    builder.enable_all().build().map(Arc::new)
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(greet(stream, tls.clone(), state.clone()));
            }
            // out of file descriptors: others may be given back meanwhile
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// One connection from its beginning; without the handshake that it needs it ends.
async fn greet(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    state.counters.connections_accepted.add(1);
    let _closed = CountClosed(&state);
    // without it small answers wait for acknowledgements; a socket that refuses is gone anyway
    let _ = stream.set_nodelay(true);
    let line = Arc::new(Line::default());
    let stream = Stream::new(stream, line.clone());
    match tls {
        None => serve(stream, line, state.clone()).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, line, state.clone()).await;
            }
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    line: Arc<Line>,
    state: Arc<State>,
) {
    let shared = state.clone();
    let service = service_fn(move |request| crate::http::answer(shared.clone(), line.clone(), request));
    let stream = TokioIo::new(stream);
    let connection = async {
        // an error is a client that went away or sent what is not HTTP: nothing to tell it
        if state.options.h2 {
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
        } else {
            let _ = http1::Builder::new().pipeline_flush(true).serve_connection(stream, service).await;
        }
    };
    tokio::select! {
        () = connection => {}
        () = state.close.notified() => {}
    }
}

struct CountClosed<'a>(&'a State);

impl Drop for CountClosed<'_> {
    fn drop(&mut self) {
        self.0.counters.connections_closed.add(1);
    }
}

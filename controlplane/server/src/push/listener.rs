//! Where streams come in.

use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tonic::service::Routes;
use tonic::transport::Server;

use super::gate::Gate;
use super::{PushAddr, secure};
use crate::identity::ServerTls;

/// Pause after an accept that failed, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Calls at the same time on one TLS connection: a gateway has one stream, and asks for a certificate now and then.
const MAX_CALLS: u32 = 16;

/// How long open connections may take to end after the shutdown.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Why the push server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A process answers on the socket.
    #[error("{0} is in use by a running process")]
    InUse(PathBuf),
    /// The path names something else.
    #[error("{0} exists and is not a socket")]
    NotSocket(PathBuf),
    /// The socket cannot be made.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: PushAddr,
        /// Why.
        source: io::Error,
    },
    /// TLS on a Unix socket.
    #[error("{0} is a Unix socket: TLS is served on TCP only")]
    UnixTls(PathBuf),
    /// The server failed.
    #[error("cannot serve")]
    Serve(#[source] tonic::transport::Error),
}

/// A socket that is listened on.
#[derive(Debug)]
pub struct PushListener(Socket);

#[derive(Debug)]
enum Socket {
    Unix(UnixListener, SocketFile),
    Tcp(TcpListener),
}

/// A socket's file; removed when dropped, if it is still the same.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Serves `routes` at `address` until `shutdown`, and then until the open connections end, for some seconds.
pub async fn serve(
    address: PushAddr,
    routes: Routes,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    bind(&address).await?.serve(routes, shutdown).await
}

/// Listens. A Unix socket is for its owner only; one that a dead process left behind is replaced.
pub async fn bind(address: &PushAddr) -> Result<PushListener, ServeError> {
    let failed = |source| ServeError::Listen { address: address.clone(), source };
    match address {
        PushAddr::Tcp(tcp) => {
            TcpListener::bind(tcp).await.map(|l| PushListener(Socket::Tcp(l))).map_err(failed)
        }
        PushAddr::Unix(path) => {
            check_vacant(path)?;
            let (listener, file) = bind_unix(path).map_err(failed)?;
            Ok(PushListener(Socket::Unix(listener, file)))
        }
    }
}

impl PushListener {
    /// Where it listens, with the port that was chosen.
    pub fn address(&self) -> io::Result<PushAddr> {
        match &self.0 {
            Socket::Unix(_, file) => Ok(PushAddr::Unix(file.path.clone())),
            Socket::Tcp(listener) => listener.local_addr().map(PushAddr::Tcp),
        }
    }

    /// Serves `routes` until `shutdown`, and then until the open connections end, for some seconds.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(self, routes: Routes, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let router = Server::builder().add_routes(routes);
        match self.0 {
            Socket::Unix(listener, _file) => {
                drained(shutdown, |stop| router.serve_with_incoming_shutdown(unix_streams(listener), stop))
                    .await
            }
            Socket::Tcp(listener) => {
                warn_when_open(&listener);
                drained(shutdown, |stop| router.serve_with_incoming_shutdown(tcp_streams(listener), stop))
                    .await
            }
        }
    }

    /// As [`serve`](Self::serve), over TLS: everything but issuing certificates to peers with a certificate only.
    ///
    /// # Errors
    /// When serving fails, and on a Unix socket.
    pub async fn serve_tls(
        self,
        routes: Routes,
        tls: ServerTls,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let listener = match self.0 {
            Socket::Tcp(listener) => listener,
            Socket::Unix(_, file) => return Err(ServeError::UnixTls(file.path.clone())),
        };
        let router = Server::builder()
            .max_concurrent_streams(MAX_CALLS)
            .layer(tower::layer::layer_fn(Gate::new))
            .add_routes(routes);
        let streams = secure::streams(listener, tls);
        drained(shutdown, |stop| router.serve_with_incoming_shutdown(streams, stop)).await
    }
}

/// Serves until `shutdown`, and then for as long as a drain may take.
async fn drained<F>(
    shutdown: impl Future<Output = ()>,
    serve: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>) -> F,
) -> Result<(), ServeError>
where
    F: Future<Output = Result<(), tonic::transport::Error>>,
{
    let (told, tell) = tokio::sync::oneshot::channel::<()>();
    let drain = async move {
        shutdown.await;
        // the server drains from here on, and so does the time for it
        drop(told);
        tokio::time::sleep(DRAIN_WITHIN).await;
    };
    let stop = async {
        let _ = tell.await;
    };
    tokio::select! {
        served = serve(Box::pin(stop)) => served.map_err(ServeError::Serve),
        () = drain => Ok(()),
    }
}

fn warn_when_open(listener: &TcpListener) {
    match listener.local_addr() {
        Ok(address) if address.ip().is_loopback() => {}
        address => {
            let address = address.map(|a| a.to_string()).unwrap_or_default();
            tracing::warn!(address, "push is neither encrypted nor authenticated on this address");
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_same = fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode);
        if is_same {
            // who cannot remove it leaves a dead socket, which the next start replaces
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses a path that somebody listens on or that is no socket.
fn check_vacant(path: &Path) -> Result<(), ServeError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(ServeError::NotSocket(path.to_owned()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        // a full backlog or a foreign owner: somebody is there
        Ok(_) | Err(_) => Err(ServeError::InUse(path.to_owned())),
    }
}

/// Makes the socket in a directory that nobody else enters, closes it to others, and only then gives it its
/// name: there is no moment in which somebody else could connect.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let private = parent.join(format!(".{}", std::process::id()));
    // one may be left over from a dead process of the same number
    let _ = fs::remove_dir_all(&private);
    fs::DirBuilder::new().mode(0o700).create(&private)?;
    let bound = bind_private(&private.join("s"), path);
    let _ = fs::remove_dir_all(&private);
    bound
}

fn bind_private(private: &Path, path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let listener = UnixListener::bind(private)?;
    fs::set_permissions(private, fs::Permissions::from_mode(0o600))?;
    let inode = fs::symlink_metadata(private)?.ino();
    fs::rename(private, path)?;
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

fn unix_streams(listener: UnixListener) -> impl Stream<Item = Result<UnixStream, Infallible>> {
    futures_util::stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((Ok(stream), listener)),
                Err(error) => pause(&error).await,
            }
        }
    })
}

fn tcp_streams(listener: TcpListener) -> impl Stream<Item = Result<TcpStream, Infallible>> {
    futures_util::stream::unfold(listener, |listener| async {
        let (stream, _) = accept(&listener).await;
        Some((Ok(stream), listener))
    })
}

/// The next connection. Cancel-safe.
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await.and_then(|(s, from)| s.set_nodelay(true).map(|()| (s, from))) {
            Ok(accepted) => return accepted,
            Err(error) => pause(&error).await,
        }
    }
}

/// An accept that fails concerns one connection, or passes.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "connection not accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

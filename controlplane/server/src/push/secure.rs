//! Connections over TLS, and who is at their other end.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt as _};
use rustls::pki_types::CertificateDer;
use tidegate_proto::identity::NodeName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::identity::{ServerTls, certificate};

/// For one handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Handshakes at the same time; more wait in the kernel.
const MAX_HANDSHAKES: usize = 256;
/// How long a connection without a certificate may stay: it is there to get one.
const VISIT: Duration = Duration::from_secs(30);
/// Such connections at the same time.
const MAX_VISITORS: usize = 512;
/// Between two lines in the log about handshakes that failed.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Who is at the other end of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPeer {
    /// Where it connects from.
    pub address: IpAddr,
    /// Its certificate, which has been verified; none: it has not shown one.
    pub certificate: Option<PeerCertificate>,
}

/// What matters of a verified certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The node that it names.
    pub node: Option<NodeName>,
    /// When it expires, in seconds since 1970.
    pub until: u64,
}

/// A TLS connection.
pub(super) struct SecureStream {
    stream: TlsStream<TcpStream>,
    peer: TlsPeer,
    visit: Option<Visit>,
}

/// The stay of a peer without a certificate.
struct Visit {
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

/// Why a connection is not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no handshake in time")]
    Slow,
    #[error("{0}")]
    Handshake(io::Error),
    #[error("too many connections without a certificate")]
    TooManyVisitors,
    #[error("the certificate cannot be read")]
    Certificate,
}

/// Connections that have come in and shown who they are.
pub(super) fn streams(
    listener: TcpListener,
    tls: ServerTls,
) -> impl Stream<Item = Result<SecureStream, Infallible>> {
    let door = Door {
        listener,
        tls,
        visitors: Arc::new(Semaphore::new(MAX_VISITORS)),
        handshakes: FuturesUnordered::new(),
        refusals: Refusals::default(),
    };
    futures_util::stream::unfold(door, |mut door| async {
        let stream = door.next().await;
        Some((Ok(stream), door))
    })
}

type Handshake = Pin<Box<dyn Future<Output = Result<SecureStream, (SocketAddr, Refusal)>> + Send>>;

struct Door {
    listener: TcpListener,
    tls: ServerTls,
    visitors: Arc<Semaphore>,
    handshakes: FuturesUnordered<Handshake>,
    refusals: Refusals,
}

impl Door {
    async fn next(&mut self) -> SecureStream {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.next() => match done {
                    Ok(stream) => return stream,
                    Err((from, refusal)) => self.refusals.report(from, &refusal),
                },
                accepted = super::listener::accept(&self.listener), if self.handshakes.len() < MAX_HANDSHAKES => {
                    let (stream, from) = accepted;
                    let shake = shake(stream, from, self.tls.clone(), self.visitors.clone());
                    self.handshakes.push(Box::pin(async move { shake.await.map_err(|refusal| (from, refusal)) }));
                }
            }
        }
    }
}

async fn shake(
    tcp: TcpStream,
    from: SocketAddr,
    tls: ServerTls,
    visitors: Arc<Semaphore>,
) -> Result<SecureStream, Refusal> {
    let accepting = TlsAcceptor::from(tls.current()).accept(tcp);
    let accepted = tokio::time::timeout(HANDSHAKE_WITHIN, accepting).await.map_err(|_| Refusal::Slow)?;
    let stream = accepted.map_err(Refusal::Handshake)?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = leaf.map(peer_certificate).transpose()?;
    let visit = match &certificate {
        Some(_) => None,
        None => {
            let place = visitors.try_acquire_owned().map_err(|_| Refusal::TooManyVisitors)?;
            Some(Visit { end: Box::pin(tokio::time::sleep(VISIT)), _place: place })
        }
    };
    Ok(SecureStream { stream, peer: TlsPeer { address: from.ip().to_canonical(), certificate }, visit })
}

fn peer_certificate(leaf: &CertificateDer<'_>) -> Result<PeerCertificate, Refusal> {
    let validity = certificate::validity(leaf).map_err(|_| Refusal::Certificate)?;
    Ok(PeerCertificate { node: certificate::node(leaf), until: validity.until })
}

/// Tells of failed handshakes, but not of each: anybody can make them fail.
#[derive(Default)]
struct Refusals {
    reported: Option<Instant>,
    since: u64,
}

impl Refusals {
    fn report(&mut self, from: SocketAddr, refusal: &Refusal) {
        let now = Instant::now();
        if self.reported.is_some_and(|at| now - at < REPORT_EVERY) {
            self.since += 1;
            tracing::debug!(%from, reason = %refusal, "connection refused");
            return;
        }
        self.reported = Some(now);
        let more = std::mem::take(&mut self.since);
        tracing::warn!(%from, reason = %refusal, more, "connection refused");
    }
}

impl Connected for SecureStream {
    type ConnectInfo = TlsPeer;

    fn connect_info(&self) -> TlsPeer {
        self.peer.clone()
    }
}

impl AsyncRead for SecureStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(visit) = &mut self.visit
            && visit.end.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SecureStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

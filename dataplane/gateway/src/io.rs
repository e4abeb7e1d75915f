//! Byte streams as the request path sees them: polled, vectored, nothing else.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Poll::Pending, Poll::Ready, ready};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// A connected byte stream.
pub(crate) trait Io: Unpin + Send + 'static {
    /// Reads what is there; `Ok(0)` is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Hands the slices to the kernel in one call; returns how many bytes it took.
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
}

/// Plain TCP holds nothing back: there is nothing to flush.
impl Io for TcpStream {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        read(self, cx, buf)
    }
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        put(self, cx, bufs)
    }
}

/// One HTTP/2 stream's inner, in-memory side: it holds nothing back either.
impl Io for DuplexStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        read(self, cx, buf)
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        put(self, cx, bufs)
    }
}

/// A stream that may hold back what it has taken: TLS keeps records while the socket is full. They go on with the next
/// write or read: whoever waits for the peer reads.
pub(crate) struct Holding<S> {
    stream: S,
    /// some of what was written is held back
    held: bool,
}

impl<S> Holding<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, held: false }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for Holding<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.held {
            match flush(&mut self.stream, cx) {
                Ready(Ok(())) => self.held = false,
                Ready(Err(e)) => return Ready(Err(e)),
                Pending => {}
            }
        }
        read(&mut self.stream, cx, buf)
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let n = ready!(put(&mut self.stream, cx, bufs))?;
        match flush(&mut self.stream, cx) {
            Ready(Err(e)) => return Ready(Err(e)),
            flushed => self.held = flushed.is_pending(),
        }
        Ready(Ok(n))
    }
}

/// Reads what is there.
#[inline]
fn read<S: AsyncRead + Unpin>(s: &mut S, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut b = ReadBuf::new(buf);
    Pin::new(s).poll_read(cx, &mut b).map_ok(|()| b.filled().len())
}

/// Hands over what it takes in one go.
#[inline]
fn put<S: AsyncWrite + Unpin>(
    s: &mut S,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let n = match bufs {
        [one] => ready!(Pin::new(s).poll_write(cx, one))?,
        _ => ready!(Pin::new(s).poll_write_vectored(cx, bufs))?,
    };
    if n == 0 && bufs.iter().any(|b| !b.is_empty()) {
        return Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    Ready(Ok(n))
}

/// Sends what is held back.
fn flush<S: AsyncWrite + Unpin>(s: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    Pin::new(s).poll_flush(cx)
}

//! Byte streams as the request path sees them: polled, vectored, nothing else.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Poll::Ready, ready};
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

/// One HTTP/2 stream's inner, in-memory side.
impl Io for DuplexStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        read(self, cx, buf)
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        write(self, cx, bufs).map_ok(|(n, _)| n)
    }
}

/// Reads what is there.
#[inline]
pub(crate) fn read<S: AsyncRead + Unpin>(
    s: &mut S,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut b = ReadBuf::new(buf);
    Pin::new(s).poll_read(cx, &mut b).map_ok(|()| b.filled().len())
}

/// How many bytes were taken, and whether some of them are still held back: TLS keeps records until it is asked, and then
/// for as long as the socket is full. On plain TCP never.
pub(crate) fn write<S: AsyncWrite + Unpin>(
    s: &mut S,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<(usize, bool)>> {
    let n = ready!(put(s, cx, bufs))?;
    match flush(s, cx) {
        Ready(Err(e)) => Ready(Err(e)),
        flushed => Ready(Ok((n, flushed.is_pending()))),
    }
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
pub(crate) fn flush<S: AsyncWrite + Unpin>(s: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    Pin::new(s).poll_flush(cx)
}

//! Byte streams as the request path sees them: polled, vectored, nothing else.

use pingora_core::protocols::Stream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Poll::Ready};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A connected byte stream.
pub(crate) trait Io: Unpin + Send + 'static {
    /// Reads what is there; `Ok(0)` is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Hands the slices to the kernel in one call; returns how many bytes it took.
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
}

impl Io for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        read(self, cx, buf)
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        write(self, cx, bufs)
    }
}

/// One HTTP/2 stream's inner, in-memory side.
impl Io for DuplexStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        read(self, cx, buf)
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        write(self, cx, bufs)
    }
}

fn read<S: AsyncRead + Unpin>(s: &mut S, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut b = ReadBuf::new(buf);
    Pin::new(s).poll_read(cx, &mut b).map_ok(|()| b.filled().len())
}

fn write<S: AsyncWrite + Unpin>(
    s: &mut S,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let r = match bufs {
        [one] => Pin::new(&mut *s).poll_write(cx, one),
        _ => Pin::new(&mut *s).poll_write_vectored(cx, bufs),
    };
    match r {
        Ready(Ok(0)) if bufs.iter().any(|b| !b.is_empty()) => Ready(Err(io::ErrorKind::WriteZero.into())),
        Ready(Ok(n)) => {
            // TLS keeps records back until asked; on plain TCP this does nothing
            if let Ready(Err(e)) = Pin::new(s).poll_flush(cx) {
                return Ready(Err(e));
            }
            Ready(Ok(n))
        }
        other => other,
    }
}

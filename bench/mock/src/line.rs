//! The connection below HTTP: it can write slowly, and end by a reset.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// What a handler may want of the connection that it answers on.
#[derive(Default)]
pub(crate) struct Line {
    /// Milliseconds between two bytes of the next head; 0: none.
    pace: AtomicU64,
    reset: AtomicBool,
}

/// A connection that does what its [`Line`] says.
pub(crate) struct Stream {
    tcp: TcpStream,
    line: Arc<Line>,
    pause: Option<Pin<Box<Sleep>>>,
    /// The last bytes of the head that is written slowly.
    tail: [u8; 4],
}

impl Line {
    /// Writes the next head byte by byte.
    pub(crate) fn slow_head(&self, every: Duration) {
        self.pace.store(u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1), Ordering::Release);
    }

    /// Ends by a reset, whenever it ends.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
    }
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, line: Arc<Line>) -> Self {
        Self { tcp, line, pause: None, tail: [0; 4] }
    }

    fn slowly(&mut self, cx: &mut Context<'_>, buf: &[u8], pace: u64) -> Poll<io::Result<usize>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let Some(first) = buf.get(..1) else { return Poll::Ready(Ok(0)) };
        let n = ready!(Pin::new(&mut self.tcp).poll_write(cx, first))?;
        self.tail.rotate_left(1);
        self.tail[3] = first[0];
        if self.tail == *b"\r\n\r\n" {
            self.tail = [0; 4];
            self.line.pace.store(0, Ordering::Release);
        } else {
            self.pause = Some(Box::pin(tokio::time::sleep(Duration::from_millis(pace))));
        }
        Poll::Ready(Ok(n))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.line.pace.load(Ordering::Acquire) {
            0 => Pin::new(&mut self.tcp).poll_write(cx, buf),
            pace => self.slowly(cx, buf, pace),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.line.pace.load(Ordering::Acquire) {
            0 => Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs),
            pace => {
                let first = bufs.iter().find(|b| !b.is_empty()).map_or(&[][..], |b| b);
                self.slowly(cx, first, pace)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.reset.load(Ordering::Acquire) {
            // a FIN would go out before the reset
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.line.reset.load(Ordering::Acquire) {
            // an error: the peer was quicker to end it
            let _ = self.tcp.set_zero_linger();
        }
    }
}

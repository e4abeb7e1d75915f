//! The body of an answer: known as a whole, or produced piece by piece by a task of its own.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Pieces that may wait for a slow reader before the producer has to wait too.
const PIECES_IN_FLIGHT: usize = 4;

/// Body of an answer.
pub(crate) enum Reply {
    /// All of it; `None` once it was taken.
    Whole(Option<Bytes>),
    /// What a task sends; the end of the task ends the body.
    Pieces(mpsc::Receiver<Piece>),
}

/// One step of a streamed body.
pub(crate) enum Piece {
    /// Bytes to send at once.
    Data(Bytes),
    /// Cut the connection here.
    Cut,
}

/// Makes hyper drop the connection without finishing the answer.
#[derive(Debug)]
pub(crate) struct Cut;

impl Reply {
    /// A body that is known as a whole.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// A streamed body and the end to feed it by.
    pub(crate) fn pieces() -> (mpsc::Sender<Piece>, Self) {
        let (tx, rx) = mpsc::channel(PIECES_IN_FLIGHT);
        (tx, Self::Pieces(rx))
    }

    /// Byte by byte, each written out on its own, with so much time between two.
    pub(crate) fn dribble(bytes: Bytes, every: Duration) -> Self {
        let (tx, body) = Self::pieces();
        tokio::spawn(async move {
            for i in 0..bytes.len() {
                // hyper writes out what it has when the body has nothing more at the moment
                while tx.capacity() < tx.max_capacity() && !tx.is_closed() {
                    tokio::task::yield_now().await;
                }
                tokio::task::yield_now().await;
                if tx.send(Piece::Data(bytes.slice(i..=i))).await.is_err() {
                    return;
                }
                if !every.is_zero() {
                    tokio::time::sleep(every).await;
                }
            }
        });
        body
    }

    /// One part in so many of it, then, some time later, the connection is cut.
    pub(crate) fn half(bytes: Bytes, parts: usize, later: Duration) -> Self {
        let (tx, body) = Self::pieces();
        tokio::spawn(async move {
            // errors: the client was quicker to leave
            let _ = tx.send(Piece::Data(bytes.slice(..bytes.len() / parts))).await;
            if !later.is_zero() {
                tokio::time::sleep(later).await;
            }
            let _ = tx.send(Piece::Cut).await;
        });
        body
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Reply::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Reply::Pieces(rx) => Poll::Ready(match ready!(rx.poll_recv(cx)) {
                Some(Piece::Data(b)) => Some(Ok(Frame::data(b))),
                Some(Piece::Cut) => Some(Err(Cut)),
                None => None,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Reply::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Reply::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Reply::Pieces(_) => SizeHint::default(),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mock cuts this connection")
    }
}

impl std::error::Error for Cut {}

//! Response bodies: one fixed message, or server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use rmcp::model::{ErrorCode, ErrorData, RequestId};

use super::envelope::error;
use super::session::{Call, Item, Standalone};

/// A comment goes out after so long without an event, so that neither side takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The body of every response.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A source of events. Dropping it tells the session that the client has left.
pub(crate) trait Source: Send + 'static {
    /// The next item, or the end.
    fn next(&mut self) -> impl Future<Output = Option<Item>> + Send;
}

impl Source for Call {
    async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }
}

impl Source for Standalone {
    async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }
}

/// A whole body.
pub(crate) fn fixed(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}

/// Events from `source`, after `first`, until the answer. A stream that owes an answer to `owed` and ends without it
/// gets an error in its place.
pub(crate) fn events<S: Source>(first: Option<Item>, source: S, owed: Option<RequestId>) -> Body {
    let state = Events { first, source, owed, over: false };
    let frames = stream::unfold(state, |mut state| async move {
        let chunk = state.next_chunk().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), state))
    });
    StreamBody::new(frames).boxed_unsync()
}

struct Events<S> {
    first: Option<Item>,
    source: S,
    owed: Option<RequestId>,
    over: bool,
}

impl<S: Source> Events<S> {
    async fn next_chunk(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let item = match self.first.take() {
            Some(first) => Some(first),
            None => match tokio::time::timeout(KEEP_ALIVE, self.source.next()).await {
                Ok(item) => item,
                Err(_) => return Some(Bytes::from_static(b": keep-alive\n\n")),
            },
        };
        match item {
            Some(Item::Message(message)) => Some(event(&message)),
            Some(Item::Answer(message)) => {
                self.over = true;
                Some(event(&message))
            }
            None => {
                self.over = true;
                let data = ErrorData::new(ErrorCode::INTERNAL_ERROR, "the server process has ended", None);
                self.owed.take().map(|id| event(&error(Some(id), data)))
            }
        }
    }
}

fn event(message: &[u8]) -> Bytes {
    let mut chunk = BytesMut::with_capacity(message.len() + 24);
    chunk.put_slice(b"event: message\ndata: ");
    chunk.put_slice(message);
    chunk.put_slice(b"\n\n");
    chunk.freeze()
}

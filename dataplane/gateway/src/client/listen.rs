//! The GET stream of a backend session: hears of changed lists.

use super::{Body, Link, Reader, write_all, write_link};
use crate::backend::BackendState;
use crate::state::Gateway;
use crate::upstream;
use std::time::Duration;
use tidegate_dataplane_codec::http::ContentType;
use tidegate_dataplane_codec::json::{self, Peek};
use tokio::sync::Notify;

/// Between two attempts; a backend that ends its stream at once is not asked in a storm.
const AGAIN: Duration = Duration::from_secs(10);

/// Wakes `changed` whenever the backend says that its tools changed. Returns when the backend has no such
/// stream; the list is then read at intervals.
pub(crate) async fn listen(gw: &Gateway, b: &BackendState, link: Link<'_>, changed: &Notify) {
    loop {
        match stream(gw, b, link, changed).await {
            Ok(true) => tokio::time::sleep(AGAIN).await,
            Ok(false) => return,
            Err(e) => {
                tracing::debug!(backend = %b.spec.id, error = %e, "event stream ended");
                tokio::time::sleep(AGAIN).await;
            }
        }
        // what was said meanwhile was missed
        changed.notify_one();
    }
}

/// One stream to its end; false when the backend has none.
async fn stream(
    gw: &Gateway,
    b: &BackendState,
    link: Link<'_>,
    changed: &Notify,
) -> Result<bool, super::ExchangeError> {
    let mut request = b"GET".to_vec();
    request.extend_from_slice(&b.line);
    write_link(&mut request, link);
    request.extend_from_slice(b"\r\n");
    // boxed: each backend has a stream like this for as long as it is there, and connecting takes ten times its memory
    let mut stream =
        Box::pin(upstream::connect(gw, b, &super::place(gw, b, link)?, gw.options.connect)).await?;
    write_all(&mut stream, &request).await?;
    let mut reader = Reader::new(&mut stream);
    let (answer, framing, _) = reader.read_head().await?;
    if answer.status != 200 || answer.content_type != ContentType::EventStream {
        return Ok(false);
    }
    let mut body = Body::new(framing);
    // most streams say nothing for hours
    drop(request);
    reader.buf.shrink_to_fit();
    loop {
        let ended = body.feed_events(&mut reader.buf, |data| {
            if is_list_changed(data) {
                changed.notify_one();
            }
        })?;
        if ended {
            return Ok(true);
        }
        reader.more().await?;
    }
}

fn is_list_changed(data: &[u8]) -> bool {
    let Ok(Peek::Message(e)) = json::peek(data) else { return false };
    e.method.is_some_and(|m| &data[m] == b"notifications/tools/list_changed")
}

//! The answer to a connection that there is no place for. It is given by a few short tasks; beyond them a
//! connection is closed without a word.

use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tidegate_dataplane_core::fault::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Connections that are told at a time.
const AT_ONCE: usize = 128;

/// How long one may take to send a request and to take the answer.
const LIMIT: Duration = Duration::from_secs(1);

/// The same for all: the request is not read, so it has no id.
static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let body = Fault::Overloaded.body(b"null");
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
});

/// Turns connections away.
pub(crate) struct Porter(Arc<Semaphore>);

impl Porter {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// Answers with 503 and closes; just closes when too many are being told.
    pub(crate) fn turn_away(&self, stream: TcpStream) {
        let Ok(turn) = self.0.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _turn = turn;
            // errors and time: the client has had its chance
            let _ = tokio::time::timeout(LIMIT, tell(stream)).await;
        });
    }
}

/// Reads before it writes and after: a close with bytes unread would reset the connection, and the answer
/// with it.
async fn tell(mut stream: TcpStream) -> std::io::Result<()> {
    let mut unread = [0; 4096];
    if stream.read(&mut unread).await? == 0 {
        return Ok(());
    }
    stream.write_all(&ANSWER).await?;
    stream.shutdown().await?;
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

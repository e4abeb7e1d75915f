//! One MCP session: one stdio child, its two pipes, and the HTTP streams that listen to it.

use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rmcp::model::{NumberOrString, RequestId};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};

use super::envelope::{Envelope, one_line};
use super::routes::{DuplicateId, PARKED, Routes, Target};
use crate::lines::{Line, read_line};

/// The longest message of a child, and of a client.
pub(crate) const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How long a full pipe or a client that does not read may hold up a message.
const HAND_OVER: Duration = Duration::from_secs(10);
/// How long a child may take to leave when its stdin closes, and again when it gets SIGTERM.
const LEAVE: Duration = Duration::from_secs(2);
/// Messages on their way to a child.
const INBOX: usize = 64;

/// What a stream of the session gets.
#[derive(Debug)]
pub(crate) enum Item {
    /// A notification or request of the server.
    Message(Bytes),
    /// The answer: the stream's last item.
    Answer(Bytes),
}

/// A session as its HTTP requests see it.
pub(crate) struct Session {
    id: String,
    inbox: mpsc::Sender<Bytes>,
    routes: Mutex<Routes<mpsc::Sender<Item>>>,
    used: Mutex<Instant>,
    stop: watch::Sender<bool>,
}

/// Why a message did not reach the child.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// See [`DuplicateId`].
    #[error(transparent)]
    Duplicate(#[from] DuplicateId),
    /// It has ended.
    #[error("the server process has ended")]
    Gone,
    /// Its pipe is full.
    #[error("the server process does not read its input")]
    Stuck,
}

/// A request under way. Dropping it forgets the request: its client has left.
pub(crate) struct Call {
    session: Arc<Session>,
    id: RequestId,
    /// Ends without an [`Item::Answer`] when the child dies.
    pub(crate) items: mpsc::Receiver<Item>,
}

/// The stand-alone stream, open until it is dropped or replaced.
pub(crate) struct Standalone {
    session: Arc<Session>,
    sender: mpsc::WeakSender<Item>,
    /// Ends with the session.
    pub(crate) items: mpsc::Receiver<Item>,
}

impl Session {
    /// Starts the child. `on_end` runs once when the session is over for whatever reason; `alive` is dropped when the
    /// child is gone, too.
    pub(crate) fn start(
        id: String,
        command: &[String],
        on_end: impl FnOnce() + Send + 'static,
        alive: impl Send + 'static,
    ) -> std::io::Result<Arc<Self>> {
        let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (inbox, messages) = mpsc::channel(INBOX);
        let (stop, stopped) = watch::channel(false);
        let session =
            Arc::new(Self { id, inbox, routes: Mutex::default(), used: Mutex::new(Instant::now()), stop });
        let shared = Arc::clone(&session);
        tokio::spawn(async move {
            let writing = tokio::spawn(write_lines(stdin, messages));
            shared.relay(stdout, stopped).await;
            shared.routes().clear();
            on_end();
            writing.abort();
            end(child).await;
            drop(alive);
        });
        Ok(session)
    }

    /// The `Mcp-Session-Id`.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Sends a request and opens the stream for its answer.
    pub(crate) async fn call(
        self: &Arc<Self>,
        id: RequestId,
        progress: Option<NumberOrString>,
        message: &[u8],
    ) -> Result<Call, SendError> {
        let (stream, items) = mpsc::channel(PARKED);
        self.routes().expect(id.clone(), progress, stream)?;
        // From here on dropping the call takes the expectation back.
        let call = Call { session: Arc::clone(self), id, items };
        self.send(message).await?;
        Ok(call)
    }

    /// Sends a notification or an answer.
    pub(crate) async fn send(&self, message: &[u8]) -> Result<(), SendError> {
        self.touch();
        match self.inbox.send_timeout(one_line(message).into(), HAND_OVER).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(SendError::Stuck),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(SendError::Gone),
        }
    }

    /// Opens the stand-alone stream in place of a former one.
    pub(crate) fn listen(self: &Arc<Self>) -> Standalone {
        let (stream, items) = mpsc::channel(PARKED);
        let sender = stream.downgrade();
        for message in self.routes().open_standalone(stream.clone()) {
            // Cannot be full: it has room for all that may be parked.
            let _ = stream.try_send(Item::Message(message));
        }
        self.touch();
        Standalone { session: Arc::clone(self), sender, items }
    }

    /// Ends the session and its child.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Since when nobody has used it; absent while a stream is open.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let in_use = self.routes().in_use();
        (!in_use).then(|| *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn relay(&self, stdout: ChildStdout, mut stopped: watch::Receiver<bool>) {
        let mut reader = BufReader::with_capacity(64 * 1024, stdout);
        let mut line = Vec::new();
        loop {
            let read = tokio::select! {
                read = read_line(&mut reader, &mut line, MAX_MESSAGE) => read,
                _ = stopped.wait_for(|stop| *stop) => return,
            };
            match read {
                Ok(Line::Whole) => self.deliver(&line).await,
                Ok(Line::Cut) => tracing::warn!(limit = MAX_MESSAGE, "message too large, dropped"),
                Ok(Line::End) => return,
                Err(error) => return tracing::warn!(%error, "stdout of the server cannot be read"),
            }
        }
    }

    async fn deliver(&self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let envelope = match Envelope::peek(line) {
            Ok(envelope) => envelope,
            Err(error) => {
                return tracing::warn!(%error, bytes = line.len(), "the server wrote something else on stdout");
            }
        };
        self.touch();
        let message = Bytes::from(one_line(line));
        let target = self.routes().route(&envelope);
        let kept = match target {
            Target::Answer(stream) => {
                // A client that has left does not want it any more.
                let _ = stream.send_timeout(Item::Answer(message), HAND_OVER).await;
                return;
            }
            Target::Stray => return tracing::debug!("message without a receiver, dropped"),
            Target::Nobody => message,
            Target::Stream(stream) => {
                let Err(error) = stream.send_timeout(Item::Message(message), HAND_OVER).await else { return };
                self.routes().close_standalone(|open| open.same_channel(&stream));
                let (mpsc::error::SendTimeoutError::Timeout(Item::Message(message) | Item::Answer(message))
                | mpsc::error::SendTimeoutError::Closed(Item::Message(message) | Item::Answer(message))) =
                    error;
                message
            }
        };
        self.routes().park(kept);
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn routes(&self) -> MutexGuard<'_, Routes<mpsc::Sender<Item>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.session.routes().forget(&self.id);
        self.session.touch();
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.upgrade() {
            self.session.routes().close_standalone(|open| open.same_channel(&sender));
        }
        self.session.touch();
    }
}

async fn write_lines(mut stdin: ChildStdin, mut messages: mpsc::Receiver<Bytes>) {
    while let Some(message) = messages.recv().await {
        let written = async {
            stdin.write_all(&message).await?;
            stdin.write_all(b"\n").await?;
            stdin.flush().await
        };
        if let Err(error) = written.await {
            return tracing::warn!(%error, "stdin of the server cannot be written");
        }
    }
}

/// The shutdown sequence of the stdio transport: stdin is closed already, then SIGTERM, then SIGKILL.
async fn end(mut child: Child) {
    if let Ok(Ok(status)) = tokio::time::timeout(LEAVE, child.wait()).await {
        return tracing::info!(%status, "session ended");
    }
    if let Some(pid) = child.id() {
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
    }
    if tokio::time::timeout(LEAVE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    tracing::info!("session ended, the server process was stopped");
}

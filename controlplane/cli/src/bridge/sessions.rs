//! All sessions of a bridge: at most so many, each closed after some idle time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rmcp::transport::common::server_side_http::session_id;
use tokio::sync::watch;

use super::session::Session;

/// The sessions by `Mcp-Session-Id`.
pub(crate) struct Sessions {
    command: Vec<String>,
    max: usize,
    idle: Duration,
    open: Mutex<HashMap<String, Arc<Session>>>,
    /// Each child holds a receiver.
    children: watch::Sender<()>,
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// All are in use.
    #[error("all {0} sessions are in use; close one (DELETE) or raise --max-sessions")]
    Full(usize),
    /// The command does not start.
    #[error("`{program}` cannot be started")]
    Start {
        /// What was to be started.
        program: String,
        #[source]
        /// Why not.
        source: std::io::Error,
    },
}

impl Sessions {
    /// No session yet; each will run `command`.
    pub(crate) fn new(command: Vec<String>, max: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self { command, max, idle, open: Mutex::default(), children: watch::Sender::new(()) })
    }

    /// Starts a session. At the limit the one idle for longest makes room; its client gets 404 and begins anew.
    pub(crate) fn open(self: &Arc<Self>) -> Result<Arc<Session>, OpenError> {
        let id = session_id().to_string();
        let mut open = self.lock();
        if open.len() >= self.max {
            let oldest =
                open.values().filter_map(|session| Some((session.idle_since()?, session.id()))).min();
            let oldest = oldest.map(|(_, id)| id.to_owned()).ok_or(OpenError::Full(self.max))?;
            if let Some(session) = open.remove(&oldest) {
                session.stop();
            }
        }
        let (this, ended) = (Arc::downgrade(self), id.clone());
        let on_end = move || {
            if let Some(this) = this.upgrade() {
                this.lock().remove(&ended);
            }
        };
        let program = || self.command.first().cloned().unwrap_or_default();
        let session = Session::start(id.clone(), &self.command, on_end, self.children.subscribe())
            .map_err(|source| OpenError::Start { program: program(), source })?;
        open.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// A session by id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// Ends a session; false when there is none of this id.
    pub(crate) fn close(&self, id: &str) -> bool {
        let closed = self.lock().remove(id);
        closed.inspect(|session| session.stop()).is_some()
    }

    /// Ends all sessions.
    pub(crate) fn close_all(&self) {
        self.lock().drain().for_each(|(_, session)| session.stop());
    }

    /// Waits until no child is left.
    pub(crate) async fn ended(&self) {
        self.children.closed().await;
    }

    /// Ends sessions that nobody has used for the idle time. Runs forever.
    pub(crate) async fn reap(&self) {
        let mut tick = tokio::time::interval((self.idle / 4).clamp(Duration::from_millis(100), self.idle));
        loop {
            tick.tick().await;
            let now = Instant::now();
            self.lock().retain(|_, session| {
                let idle = session.idle_since().map(|since| now.saturating_duration_since(since));
                let keep = idle.is_none_or(|idle| idle < self.idle);
                if !keep {
                    session.stop();
                }
                keep
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

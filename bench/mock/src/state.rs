//! Everything that the connections of one mock share.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::calls::Calls;
use crate::catalog::Catalog;
use crate::control::{Control, Script};
use crate::options::Options;
use crate::rpc;
use crate::sessions::Sessions;
use crate::stats::{Counters, Stats};

const LIST_CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// Shared state of a mock.
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) sessions: Sessions,
    pub(crate) counters: Counters,
    pub(crate) script: Script,
    pub(crate) calls: Calls,
    /// Wakes every connection to close it.
    pub(crate) close: Notify,
    catalog: RwLock<Arc<Catalog>>,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            catalog: RwLock::new(Arc::new(Catalog::of(&options))),
            options,
            sessions: Sessions::new(),
            counters: Counters::default(),
            script: Script::new(),
            calls: Calls::default(),
            close: Notify::new(),
        }
    }

    /// The tools offered now.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the behaviour.
    pub(crate) fn control(&self, control: &Control) {
        self.script.apply(control);
        if let Some(names) = &control.tools {
            let catalog = Arc::new(Catalog::named(names, self.options.page_size));
            *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
        }
        if control.drop_sessions {
            self.sessions.forget_all();
        }
        if control.list_changed {
            self.sessions.send(rpc::event(LIST_CHANGED.as_bytes()));
        }
        if let Some(message) = &control.send {
            self.sessions.send(rpc::event(message.get().as_bytes()));
        }
        if control.forget_gaps {
            self.counters.forget_gaps();
        }
        if control.close_connections {
            self.close.notify_waiters();
        }
    }

    /// What was seen until now.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats { name: self.options.name.clone(), ..Stats::default() };
        self.counters.fill(&mut stats);
        stats.sessions_open = self.sessions.len() as u64;
        stats.streams_open = self.sessions.streams() as u64;
        stats.calls_running = self.calls.len() as u64;
        let catalog = self.catalog();
        stats.calls = catalog.tools.iter().map(|t| (t.name.clone(), t.calls.get())).collect();
        stats
    }
}

//! The published table on disk: what held entries were before a restart. Written behind publishing, and never more
//! often than its cost allows.

use std::sync::Arc;
use std::time::Instant;

use tidegate_proto::persist;
use tidegate_proto::push::Version;
use tidegate_proto::table::Table;
use tokio::sync::watch;

use crate::state::{StateDir, StateError};

const FILE: &str = "table";
/// Writing may take this share of the time: one part in so many.
const SHARE: u32 = 4;

/// The table that an earlier process published last; empty when there is none that can be read.
///
/// # Errors
/// When a file is there and the system does not let us read it.
pub fn load(state: &StateDir) -> Result<Table, StateError> {
    let Some(bytes) = state.read(FILE)? else { return Ok(Table::default()) };
    match persist::decode(&bytes) {
        Ok(saved) => Ok(saved.table),
        Err(error) => {
            tracing::warn!(%error, "the saved table is unreadable, broken manifests cannot be held over this restart");
            state.set_aside(FILE);
            Ok(Table::default())
        }
    }
}

/// Writes every table that stays the newest long enough, and the last one before the sender goes away.
pub async fn save_all(state: Arc<StateDir>, mut versions: watch::Receiver<Option<Arc<Version>>>) {
    while versions.changed().await.is_ok() {
        let Some(version) = versions.borrow_and_update().clone() else { continue };
        let started = Instant::now();
        let state = Arc::clone(&state);
        let write = move || state.write(FILE, &persist::encode(version.table(), 0));
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot save the table"),
            Err(error) => tracing::error!(%error, "saving the table panicked"),
        }
        let rest = started.elapsed() * (SHARE - 1);
        // The sender gone: no rest before the last table.
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = closed(&versions) => {}
        }
    }
}

async fn closed(versions: &watch::Receiver<Option<Arc<Version>>>) {
    let mut versions = versions.clone();
    while versions.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_table_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        state.write(FILE, b"TGTABLE\nbut no more").unwrap();
        assert_eq!(load(&state).unwrap(), Table::default());
        assert!(dir.path().join("table.unreadable").exists());
    }

    #[tokio::test]
    async fn the_last_table_is_written_even_when_the_sender_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDir::open(dir.path()).unwrap());
        let (sender, receiver) = watch::channel(None);
        let task = tokio::spawn(save_all(Arc::clone(&state), receiver));
        sender.send_replace(Some(Arc::new(Version::new(Arc::default()))));
        drop(sender);
        task.await.unwrap();
        assert!(state.read(FILE).unwrap().is_some());
    }
}

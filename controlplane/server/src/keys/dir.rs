//! The key ring in the state directory: of one control plane, for itself.

use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::keys::KeyRing;

use super::{DatedKey, KeyError, due, file, now, ring_at};
use crate::state::StateDir;

/// Name of the file in the state directory.
pub(super) const FILE: &str = "session-keys";

/// The ring with its history, on disk.
#[derive(Debug)]
pub struct KeyStore {
    state: Arc<StateDir>,
    rotation: Duration,
    /// Newest first; never empty.
    pub(super) keys: Vec<DatedKey>,
}

impl KeyStore {
    /// Loads the ring, or makes one. A file that cannot be understood is set aside: open sessions are lost, which is
    /// less than not serving.
    ///
    /// # Errors
    /// When the ring cannot be read or, being new, not be kept.
    pub fn open(state: Arc<StateDir>, rotation: Duration) -> Result<Self, KeyError> {
        let keys = match state.read(FILE)?.map(|bytes| file::decode(&bytes)) {
            Some(Ok(keys)) => keys,
            Some(Err(error)) => {
                tracing::warn!(%error, "session keys unreadable, making new ones: open sessions are lost");
                state.set_aside(FILE);
                Vec::new()
            }
            None => Vec::new(),
        };
        let mut store = Self { state, rotation, keys };
        store.rotate(now())?;
        Ok(store)
    }

    /// The ring as nodes need it now, rotated when that is due.
    ///
    /// # Errors
    /// When a new key cannot be made or kept; the ring stays as it was.
    pub fn current(&mut self) -> Result<KeyRing, KeyError> {
        let now = now();
        self.rotate(now)?;
        Ok(ring_at(&self.keys, now))
    }

    pub(super) fn rotate(&mut self, now: u64) -> Result<(), KeyError> {
        if let Some(keys) = due(&self.keys, self.rotation, now)? {
            self.state.write(FILE, &file::encode(&keys))?;
            tracing::info!(keys = keys.len(), newest = %keys[0].key.id, "session keys changed");
            self.keys = keys;
        }
        Ok(())
    }
}

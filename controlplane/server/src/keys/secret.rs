//! The key ring in a Secret: all replicas read it, and so push the same one; the leader rotates it.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use tidegate_proto::keys::KeyRing;

use super::{DatedKey, KeyError, UnreadableKeys, due, file, now, ring_at};
use crate::secrets::{SecretCell, SecretError};

/// Name of the Secret.
const NAME: &str = "tidegate-session-keys";
const TYPE: &str = "Opaque";
/// Key of its data.
const KEY: &str = "session-keys";
/// Writers that may be first before we give up for this time.
const ATTEMPTS: usize = 4;
/// For one round of calls to the API server.
const ROUND_WITHIN: Duration = Duration::from_secs(20);

/// The ring of a cluster.
pub struct SharedKeys {
    secret: SecretCell,
    rotation: Duration,
}

impl SharedKeys {
    /// The ring in a namespace, whether there is one or not.
    pub fn new(client: kube::Client, namespace: &str, rotation: Duration) -> Self {
        Self { secret: SecretCell::new(client, namespace, NAME), rotation }
    }

    /// The ring as nodes need it now. The first is made by whoever comes first; later only a leader changes it.
    ///
    /// # Errors
    /// When it cannot be read or kept, or not be understood; it stays as it was then.
    pub async fn current(&self, leads: bool) -> Result<KeyRing, KeyError> {
        let round = tokio::time::timeout(ROUND_WITHIN, self.round(leads)).await;
        let keys = round.unwrap_or(Err(KeyError::Slow))?;
        Ok(ring_at(&keys, now()))
    }

    async fn round(&self, leads: bool) -> Result<Vec<DatedKey>, KeyError> {
        let mut attempts = ATTEMPTS;
        loop {
            let kept = self.secret.read().await?;
            let keys = kept.as_ref().map(|kept| self.decode(kept)).transpose()?;
            if let (Some(keys), false) = (&keys, leads) {
                return Ok(keys.clone());
            }
            let present = keys.unwrap_or_default();
            let Some(next) = due(&present, self.rotation, now())? else { return Ok(present) };
            attempts -= 1;
            match self.write(kept, &next).await {
                Ok(()) => {
                    tracing::info!(keys = next.len(), newest = %next[0].key.id, "session keys changed");
                    return Ok(next);
                }
                Err(SecretError::Conflict { .. }) if attempts > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn decode(&self, secret: &Secret) -> Result<Vec<DatedKey>, KeyError> {
        let bytes = secret.data.as_ref().and_then(|data| data.get(KEY)).map_or(&[][..], |bytes| &bytes.0);
        file::decode(bytes).map_err(|error| KeyError::Kept {
            path: self.secret.path(),
            key: KEY,
            source: UnreadableKeys::from(error),
        })
    }

    async fn write(&self, kept: Option<Secret>, keys: &[DatedKey]) -> Result<(), SecretError> {
        let mut secret = kept.unwrap_or_else(|| self.secret.empty(TYPE));
        let bytes = ByteString(file::encode(keys));
        secret.data.get_or_insert_default().insert(KEY.to_owned(), bytes);
        self.secret.write(&secret).await
    }
}

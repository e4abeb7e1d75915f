//! The node's end of the push protocol: keeps one stream to the control plane, hands each step to the
//! gateway, keeps last-known-good on disk. A thin shell: every decision is [`tidegate_proto::push`]'s.

mod address;
mod applier;
mod client;
mod identity;
mod state;
mod stream;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

pub use tidegate_proto::identity::NodeName;
use tidegate_proto::keys::KeyRing;
use tidegate_proto::persist::Saved;
use tidegate_proto::push::Terms;
use tidegate_proto::wire;
use tokio::sync::watch;

pub use address::{ControlPlaneAddr, ControlPlaneAddrError};
pub use applier::{Applier, IdentityEvent, Step};
pub use state::{LoadedState, load_last_known_good};

/// What the node says of itself, and where things are.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// Where the control plane answers.
    pub control_plane: ControlPlaneAddr,
    /// What proves who is who, where it answers over TLS.
    pub credentials: Option<Credentials>,
    /// Stable name of the node; a second stream of the same name replaces the first.
    pub node: String,
    /// Where clients reach the shared port, for people: `http://127.0.0.1:4483`.
    pub listen: String,
    /// Directory of last-known-good, of the session keys and of the certificate; made if it is missing.
    pub state_dir: PathBuf,
    /// Version of the running binary, for people.
    pub software_version: String,
}

/// Files that prove who is who. Read at every use: they are replaced while the process runs.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Certificates of the authorities that vouch for the control plane, PEM.
    pub authorities: PathBuf,
    /// Token of the service account that this process runs as.
    pub token: PathBuf,
}

/// Keeps a stream to the control plane until `shutdown`, connecting again for ever. `held` and `keys` are
/// what the gateway serves at the start (see [`load_last_known_good`]).
///
/// `reports` always has the complete state; what changed is sent, at most ten times a second.
pub async fn run(
    config: PushConfig,
    applier: Arc<dyn Applier>,
    held: Saved,
    keys: Option<KeyRing>,
    reports: watch::Receiver<Arc<wire::Report>>,
    shutdown: impl Future<Output = ()>,
) {
    run_with(Terms::default(), config, applier, held, keys, reports, shutdown).await;
}

/// As [`run`], on other terms.
pub async fn run_with(
    terms: Terms,
    config: PushConfig,
    applier: Arc<dyn Applier>,
    held: Saved,
    keys: Option<KeyRing>,
    reports: watch::Receiver<Arc<wire::Report>>,
    shutdown: impl Future<Output = ()>,
) {
    tokio::pin!(shutdown);
    client::Client::new(terms, config, applier, held, keys, reports).run(shutdown).await;
}

/// An error and all that is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    words
}

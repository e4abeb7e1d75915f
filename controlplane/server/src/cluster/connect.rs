//! The client of the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// For one request to leave, and for a connection; answers are waited for elsewhere, as watches take minutes.
const WRITE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file given cannot be used.
    #[error("--kubeconfig {}: cannot be used", path.display())]
    Kubeconfig {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Box<kube::config::KubeconfigError>,
    },
    /// Neither in a cluster nor a kubeconfig.
    #[error("no cluster to connect to: not in a pod, and no kubeconfig; give --kubeconfig FILE")]
    Nowhere(#[source] Box<kube::config::InferConfigError>),
    /// The configuration makes no client.
    #[error("cannot make a client for the API server")]
    Client(#[from] Box<kube::Error>),
}

/// With that kubeconfig; else the pod's service account, else `$KUBECONFIG` or `~/.kube/config`. Nothing is asked of the API
/// server: it may be away.
///
/// # Errors
/// When there is no configuration, or it makes no client.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<(Client, String), ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(|error| ConnectError::Nowhere(Box::new(error)))?,
    };
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(Box::new)?;
    Ok((client, namespace))
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let unusable = |source| ConnectError::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let file = Kubeconfig::read_from(path).map_err(unusable)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(unusable)
}

//! From a kubeconfig, or a pod's service account, to a client.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::{Cluster, ClusterError};

const CONNECT: Duration = Duration::from_secs(10);

/// Which cluster, as which user.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct ClusterArgs {
    /// Ask the cluster of this kubeconfig [default: KUBECONFIG, else ~/.kube/config, else the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

impl ClusterArgs {
    /// Whether a cluster was asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }
}

/// `KUBECONFIG` names a file.
pub(crate) fn names_kubeconfig() -> bool {
    std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
}

/// `~/.kube/config`, if it is there.
pub(crate) fn home_kubeconfig() -> Option<PathBuf> {
    let path = std::env::home_dir()?.join(".kube/config");
    path.is_file().then_some(path)
}

/// Whether this runs in a pod.
pub(crate) fn is_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

impl Cluster {
    /// Nothing is asked of the API server yet.
    pub(crate) async fn connect(args: &ClusterArgs) -> Result<Self, ClusterError> {
        let mut config = config(args).await?;
        config.connect_timeout = Some(CONNECT);
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config)
            .map_err(|source| ClusterError::Client { server: server.clone(), source: Box::new(source) })?;
        Ok(Self { client, server, namespace })
    }
}

async fn config(args: &ClusterArgs) -> Result<Config, ClusterError> {
    let Some((origin, read)) = kubeconfig(args) else {
        return match is_pod() && args.context.is_none() {
            true => Config::incluster().map_err(|source| ClusterError::Pod(Box::new(source))),
            false => Err(ClusterError::NoKubeconfig),
        };
    };
    let unusable = |cause: KubeconfigError| ClusterError::Kubeconfig {
        origin: origin.clone(),
        cause: cause.to_string(),
    };
    let file = read.map_err(unusable)?;
    if let Some(context) = &args.context
        && !file.contexts.iter().any(|known| known.name == *context)
    {
        let known = file.contexts.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(ClusterError::NoContext { context: context.clone(), origin, known });
    }
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(file, &options).await.map_err(unusable)
}

/// Which kubeconfig there is, and what is in it.
fn kubeconfig(args: &ClusterArgs) -> Option<(String, Result<Kubeconfig, KubeconfigError>)> {
    if let Some(path) = &args.kubeconfig {
        return Some((format!("--kubeconfig {}", path.display()), Kubeconfig::read_from(path)));
    }
    if names_kubeconfig() {
        return Some(("KUBECONFIG".to_owned(), Kubeconfig::read()));
    }
    let path = home_kubeconfig()?;
    Some((path.display().to_string(), Kubeconfig::read_from(path)))
}

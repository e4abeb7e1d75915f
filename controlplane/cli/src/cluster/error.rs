//! What can go wrong between a kubeconfig and an answer, said so that it can be repaired.

use kube::config::InClusterError;
use kube::core::Status;
use tidegate_controlplane_api::meta::GROUP;

/// Why there is no answer of a cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// Neither named nor found.
    #[error("there is no kubeconfig\n  help: name one with --kubeconfig (or KUBECONFIG)")]
    NoKubeconfig,
    /// Not readable, or it leads nowhere.
    #[error("{origin}: {cause}")]
    Kubeconfig {
        /// Which.
        origin: String,
        /// Why.
        cause: String,
    },
    /// `--context` names none.
    #[error("{origin}: there is no context \"{context}\"\n  help: there are: {known}")]
    NoContext {
        /// Which was asked for.
        context: String,
        /// Of which kubeconfig.
        origin: String,
        /// The names there are.
        known: String,
    },
    /// In a pod, without a service account.
    #[error("the pod's service account cannot be used")]
    Pod(#[source] Box<InClusterError>),
    /// Certificates or the like.
    #[error("cannot make a client for the cluster at {server}")]
    Client {
        /// Which.
        server: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// No connection, or it broke.
    #[error(
        "the cluster at {server} cannot be reached\n  help: is it up, and is this the right context? (--context, --kubeconfig)"
    )]
    Unreachable {
        /// Which.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Connected, no answer.
    #[error("the cluster at {server} did not answer within {seconds} s")]
    Silent {
        /// Which.
        server: String,
        /// How long it had.
        seconds: u64,
    },
    /// The credentials of the kubeconfig cannot be had or are not accepted.
    #[error(
        "the cluster at {server} does not accept your credentials: {cause}\n  help: log in again, or use another context (--context)"
    )]
    Unauthorized {
        /// Which.
        server: String,
        /// Why.
        cause: String,
    },
    /// No permission.
    #[error(
        "{message}\n  help: ask who runs the cluster for a role that allows this, or use another context (--context)"
    )]
    Forbidden {
        /// Who may not do what, in the API server's words.
        message: String,
    },
    /// The object is not there.
    #[error("{message}")]
    NotFound {
        /// In the API server's words.
        message: String,
    },
    /// The API server does not know the kind.
    #[error("the cluster at {server} has no {what}\n  help: {}", remedy(what))]
    NotInstalled {
        /// Which.
        server: String,
        /// As in `mcpgroups.toolhive.stacklok.dev`.
        what: String,
    },
    /// Any other answer that is an error.
    #[error("the cluster at {server} refused: {}", status.message)]
    Refused {
        /// Which.
        server: String,
        /// What it said.
        status: Box<Status>,
    },
    /// Not what an API server says.
    #[error("the cluster at {server} gave no answer that can be read")]
    Unintelligible {
        /// Which.
        server: String,
        /// Why.
        source: Box<kube::Error>,
    },
}

impl ClusterError {
    /// Of an answer to a request for `what`.
    pub(super) fn of(server: &str, what: &str, error: kube::Error) -> Self {
        let server = server.to_owned();
        match error {
            kube::Error::Api(status) => Self::of_status(server, what, status),
            kube::Error::Service(source) => Self::Unreachable { server, source },
            kube::Error::HyperError(source) => Self::Unreachable { server, source: Box::new(source) },
            kube::Error::Auth(cause) => Self::Unauthorized { server, cause: cause.to_string() },
            kube::Error::Discovery(_) => Self::NotInstalled { server, what: what.to_owned() },
            other => Self::Unintelligible { server, source: Box::new(other) },
        }
    }

    fn of_status(server: String, what: &str, status: Box<Status>) -> Self {
        let is_about_object = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
        let message = status.message.clone();
        match status.code {
            401 => Self::Unauthorized { server, cause: message },
            403 => Self::Forbidden { message },
            404 if is_about_object => Self::NotFound { message },
            404 => Self::NotInstalled { server, what: what.to_owned() },
            _ => Self::Refused { server, status },
        }
    }

    /// Whether other requests to the same cluster may well succeed.
    pub(crate) fn is_about_one_request(&self) -> bool {
        matches!(
            self,
            Self::Forbidden { .. } | Self::NotFound { .. } | Self::NotInstalled { .. } | Self::Refused { .. }
        )
    }
}

fn remedy(what: &str) -> &'static str {
    if what.ends_with(GROUP) {
        "install Tidegate's CRDs: kubectl apply --server-side -f deploy/crds"
    } else {
        "install what defines it first"
    }
}

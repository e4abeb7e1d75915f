//! Why a resource cannot be listed or watched, in words that say what to do.

use kube::runtime::watcher;
use tidegate_controlplane_api::{Diagnostic, Severity};

/// One failure, as it is shown until the watch works again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    code: &'static str,
    message: String,
    remedy: &'static str,
    /// The API server does not know the resource.
    pub(super) missing: bool,
}

impl Trouble {
    pub(super) fn new(resource: &str, error: &watcher::Error) -> Self {
        let (code, what, remedy) = match status_of(error) {
            Some(403) => (
                "watch-forbidden",
                "the control plane may not list and watch",
                "grant its service account get, list and watch on it (deploy/kustomize has the roles)",
            ),
            Some(404) => (
                "kind-not-installed",
                "the API server does not know",
                "install the CRDs: kubectl apply --server-side -f deploy/crds",
            ),
            _ => (
                "watch-failed",
                "cannot list or watch",
                "nothing to do if the API server is away for a moment; else see the control plane's log",
            ),
        };
        let message = format!("{what} {resource}; what was known of it stays in effect");
        Self { code, message, remedy, missing: code == "kind-not-installed" }
    }

    /// To be shown with what is wrong with objects.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: self.code,
            object: None,
            source: None,
            field: None,
            message: self.message.clone(),
            remedy: self.remedy.to_owned(),
        }
    }
}

fn status_of(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

//! Secrets and ConfigMaps that backends name (spec 1.2 to 1.4): only whether they exist is known here.

use std::collections::BTreeSet;

use tidegate_controlplane_api::types::{HeaderForward, McpServerEntrySpec};
use tidegate_controlplane_api::{Document, Object};

use crate::compiled::Condition;
use crate::view::cluster::{Cluster, NamespacedName};

/// What one backend names and is not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Materials {
    secrets: BTreeSet<String>,
    /// The ConfigMap with certificates is.
    certificates: bool,
}

impl Materials {
    /// Those of a backend.
    pub(crate) fn of(document: &Document, cluster: &Cluster) -> Self {
        let named = |name: &str| NamespacedName::new(&document.object_ref.namespace, name);
        let secrets = secrets(document).filter(|name| !cluster.secrets.contains(&named(name)));
        let certificates = match &document.object {
            Object::Entry(entry) => config_map(&entry.spec),
            _ => None,
        };
        Self {
            secrets: secrets.map(str::to_owned).collect(),
            certificates: certificates.is_some_and(|name| !cluster.config_maps.contains(&named(name))),
        }
    }

    /// Names of the Secrets, in order.
    pub(crate) fn missing_secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// Of the Secrets with headers and the ConfigMap with certificates of a remote backend. An MCPServer says itself what its
    /// pods wait for.
    pub(crate) fn conditions(&self, document: &Document) -> Vec<Condition> {
        match &document.object {
            Object::RemoteProxy(_) => self.headers(document).into_iter().collect(),
            Object::Entry(entry) => {
                self.headers(document).into_iter().chain(self.certificates(&entry.spec)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn headers(&self, document: &Document) -> Option<Condition> {
        let named: Vec<_> = secrets(document).collect();
        let missing: Vec<_> = named.iter().copied().filter(|name| self.secrets.contains(*name)).collect();
        let of = |holds, reason, message| Condition::of("HeaderSecretRefsValidated", holds, reason, message);
        (!named.is_empty()).then(|| match missing.as_slice() {
            [] => of(true, "HeaderSecretsValid", "the Secrets exist".to_owned()),
            missing => {
                of(false, "HeaderSecretNotFound", format!("there is no Secret {}", missing.join(", ")))
            }
        })
    }

    fn certificates(&self, spec: &McpServerEntrySpec) -> Option<Condition> {
        let name = config_map(spec)?;
        let of = |holds, reason, message| Condition::of("CABundleRefValidated", holds, reason, message);
        Some(if self.certificates {
            of(false, "CABundleRefNotFound", format!("there is no ConfigMap {name}"))
        } else {
            of(true, "CABundleRefValid", "the ConfigMap exists".to_owned())
        })
    }
}

/// The Secrets that a backend names, in its order.
fn secrets(document: &Document) -> Box<dyn Iterator<Item = &str> + '_> {
    match &document.object {
        Object::Server(server) => Box::new(server.spec.secrets.iter().map(|secret| secret.name.0.as_str())),
        Object::RemoteProxy(proxy) => Box::new(of_headers(proxy.spec.header_forward.as_ref())),
        Object::Entry(entry) => Box::new(of_headers(entry.spec.header_forward.as_ref())),
        _ => Box::new(std::iter::empty()),
    }
}

fn of_headers(forward: Option<&HeaderForward>) -> impl Iterator<Item = &str> {
    let headers = forward.into_iter().flat_map(|forward| &forward.add_headers_from_secret);
    headers.map(|header| header.value_secret_ref.name.0.as_str())
}

fn config_map(spec: &McpServerEntrySpec) -> Option<&str> {
    Some(&spec.ca_bundle_ref.as_ref()?.config_map_ref.as_ref()?.name.0)
}

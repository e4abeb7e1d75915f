//! A cluster as its users reach it, through a kubeconfig: requests and what went wrong with them. Must not know what is
//! printed, nor anything of control planes.

mod connect;
mod dry_run;
mod error;
mod table;

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, ApiResource, GroupVersionKind, ListParams};
use tidegate_controlplane_api::Kind;
use tidegate_controlplane_api::meta::{GROUP, VERSIONS};

pub(crate) use connect::{ClusterArgs, home_kubeconfig, is_pod, names_kubeconfig};
pub(crate) use dry_run::{Kinds, Verdict};
pub(crate) use error::ClusterError;
pub(crate) use table::{Change, Column, Query, Row, Table};

/// How long an API server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events asked for of one object; an API server gives them in no order of time.
const MOST_EVENTS: u32 = 500;

/// An API server, and the namespace that is meant when none is named.
pub(crate) struct Cluster {
    client: Client,
    server: String,
    namespace: String,
}

impl Cluster {
    /// The namespace of the context, or of the pod.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The events about one object, in no order.
    pub(crate) async fn events(&self, namespace: &str, uid: &str) -> Result<Vec<Event>, ClusterError> {
        let about = ListParams::default().fields(&format!("regarding.uid={uid}")).limit(MOST_EVENTS);
        let api = Api::<Event>::namespaced(self.client.clone(), namespace);
        Ok(self.ask("events.events.k8s.io", api.list(&about)).await?.items)
    }

    /// The answer, or in clear words why there is none; `what` is asked for, as in `mcpgroups.toolhive.stacklok.dev`.
    async fn ask<T>(
        &self,
        what: &str,
        answer: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| ClusterError::of(&self.server, what, error)),
            Err(_) => Err(ClusterError::Silent { server: self.server.clone(), seconds: PATIENCE.as_secs() }),
        }
    }
}

/// `mcpgroups.toolhive.stacklok.dev`.
fn qualified(kind: Kind) -> String {
    format!("{}.{GROUP}", kind.plural())
}

fn resource(kind: Kind) -> ApiResource {
    let kind_of_group = GroupVersionKind::gvk(GROUP, VERSIONS[0], kind.as_str());
    ApiResource::from_gvk_with_plural(&kind_of_group, &kind.plural())
}

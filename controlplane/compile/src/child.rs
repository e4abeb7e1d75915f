//! Objects that are kept in the cluster for ours: Services, EndpointSlices, workloads. A child holds what it is made of;
//! its body is written when somebody asks for it, as the table does not wait for bodies.

mod meta;
mod services;
mod slices;
mod workload;

use std::sync::Arc;

use serde_json::Value;
use tidegate_controlplane_api::ObjectRef;

pub(crate) use services::FrontService;
pub(crate) use slices::{Gateways, Slice};
pub(crate) use workload::Workload;

/// Names one child object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey {
    /// Its kind.
    pub kind: ChildKind,
    /// Its namespace: that of its owner.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Kinds of child objects, in the order in which they are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// `v1`.
    Service,
    /// `discovery.k8s.io/v1`.
    EndpointSlice,
    /// `apps/v1`.
    StatefulSet,
}

/// One child object as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Whom it is kept for; it goes with its owner.
    pub owner: ObjectRef,
    /// `metadata.uid` of the owner.
    uid: Arc<str>,
    content: Content,
}

/// What a body is written from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A Service that leads to the gateways.
    Front(FrontService),
    /// Gateways behind one.
    Slice(Slice),
    /// A Service of an MCPServer's own pods.
    Pods(Workload),
    /// What keeps those pods.
    StatefulSet(Workload),
}

impl ChildKind {
    /// All of them.
    pub const ALL: [ChildKind; 3] = [ChildKind::Service, ChildKind::EndpointSlice, ChildKind::StatefulSet];

    /// As in `apiVersion:`.
    pub fn api_version(self) -> &'static str {
        match self {
            ChildKind::Service => "v1",
            ChildKind::EndpointSlice => "discovery.k8s.io/v1",
            ChildKind::StatefulSet => "apps/v1",
        }
    }

    /// As in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            ChildKind::Service => "Service",
            ChildKind::EndpointSlice => "EndpointSlice",
            ChildKind::StatefulSet => "StatefulSet",
        }
    }
}

impl Child {
    pub(crate) fn new(owner: &ObjectRef, uid: &Arc<str>, content: Content) -> Self {
        Self { owner: owner.clone(), uid: Arc::clone(uid), content }
    }

    /// The whole body for server-side apply: every field that we want to own, and no other.
    pub fn body(&self, key: &ChildKey) -> Value {
        let metadata = meta::Meta { key, owner: &self.owner, uid: &self.uid };
        match &self.content {
            Content::Front(service) => service.body(metadata),
            Content::Slice(slice) => slice.body(metadata),
            Content::Pods(workload) => workload.service(metadata),
            Content::StatefulSet(workload) => workload.stateful_set(metadata),
        }
    }
}

//! Objects that are kept in the cluster for ours: Services, EndpointSlices, workloads.

use std::sync::Arc;

use serde_json::Value;
use tidegate_controlplane_api::ObjectRef;

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
    /// `apps/v1`.
    Deployment,
}

/// One child object as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Whom it is kept for; it goes with its owner.
    pub owner: ObjectRef,
    /// The whole body for server-side apply: every field that we want to own, and no other.
    pub body: Value,
}

impl ChildKind {
    /// All of them.
    pub const ALL: [ChildKind; 4] =
        [ChildKind::Service, ChildKind::EndpointSlice, ChildKind::StatefulSet, ChildKind::Deployment];

    /// As in `apiVersion:`.
    pub fn api_version(self) -> &'static str {
        match self {
            ChildKind::Service => "v1",
            ChildKind::EndpointSlice => "discovery.k8s.io/v1",
            ChildKind::StatefulSet | ChildKind::Deployment => "apps/v1",
        }
    }

    /// As in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            ChildKind::Service => "Service",
            ChildKind::EndpointSlice => "EndpointSlice",
            ChildKind::StatefulSet => "StatefulSet",
            ChildKind::Deployment => "Deployment",
        }
    }
}

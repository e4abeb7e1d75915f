//! Objects of Kubernetes' own kinds, cut down to what is needed of each.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::PartialObjectMeta;
use serde::Serialize;
use serde_json::Value;
use tidegate_controlplane_compile::{self as compile, PodEndpoint};

use super::mirror::{Change, Kept};

/// Label of the Service that an EndpointSlice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label that says which controller keeps an EndpointSlice.
const SLICE_MADE_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// An object that we may have made, as it is in the API server: JSON without `status` and records of who wrote what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    json: Arc<str>,
    version: Arc<str>,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptService {
    /// For the writer.
    pub body: Body,
    /// For the view.
    pub fact: compile::Service,
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSlice {
    /// For the writer.
    pub body: Body,
    /// By us, not by Kubernetes for a Service of ours.
    pub made_here: bool,
    /// Name of its Service.
    pub service: String,
    /// What may be called.
    pub endpoints: Vec<PodEndpoint>,
}

/// A StatefulSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWorkload {
    /// For the writer.
    pub body: Body,
    /// `spec.replicas`.
    pub replicas: u32,
}

/// A pod of a gateway or of an MCPServer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPod {
    /// Value of the label `app.kubernetes.io/instance`: the MCPServer.
    pub instance: String,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// `status.podIP`.
    pub address: Option<IpAddr>,
    /// Condition `Ready`.
    pub ready: bool,
    /// It is being deleted.
    pub terminating: bool,
    /// Why it does not run.
    pub failure: Option<String>,
}

/// The name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptName<K>(std::marker::PhantomData<K>);

impl Body {
    fn of(object: &impl Serialize) -> Self {
        let mut value = serde_json::to_value(object).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
            if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
        }
        let version = value.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        Self { version: version.into(), json: value.to_string().into() }
    }

    /// `metadata.resourceVersion`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The object.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.json).unwrap_or_default()
    }
}

impl Kept for KeptService {
    type Object = Service;

    fn keep(object: Service, _: Option<&Self>) -> Option<Self> {
        Some(Self { body: Body::of(&object), fact: service(&object) })
    }

    fn change(before: Option<&Self>, after: Option<&Self>) -> Change {
        change(before, after, |kept| &kept.fact)
    }
}

impl Kept for KeptSlice {
    type Object = EndpointSlice;

    fn keep(object: EndpointSlice, _: Option<&Self>) -> Option<Self> {
        let service = label(&object.metadata, SERVICE_NAME)?.to_owned();
        let made_here = label(&object.metadata, SLICE_MADE_BY) == Some(crate::cluster::NAME);
        Some(Self { body: Body::of(&object), made_here, service, endpoints: endpoints(&object) })
    }

    fn change(before: Option<&Self>, after: Option<&Self>) -> Change {
        change(before, after, |kept| (kept.made_here, &kept.service, &kept.endpoints))
    }
}

impl Kept for KeptWorkload {
    type Object = StatefulSet;

    fn keep(object: StatefulSet, _: Option<&Self>) -> Option<Self> {
        // The API server fills in 1.
        let replicas = object.spec.replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(1);
        Some(Self { body: Body::of(&object), replicas })
    }

    fn change(before: Option<&Self>, after: Option<&Self>) -> Change {
        change(before, after, |kept| &kept.replicas)
    }
}

impl Kept for KeptPod {
    type Object = Pod;

    fn keep(object: Pod, _: Option<&Self>) -> Option<Self> {
        let status = object.status.as_ref();
        let ready = status.and_then(|status| status.conditions.as_ref()).is_some_and(|conditions| {
            conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
        });
        Some(Self {
            instance: label(&object.metadata, "app.kubernetes.io/instance").unwrap_or_default().to_owned(),
            node: object.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            address: status.and_then(|status| status.pod_ip.as_deref()?.parse().ok()),
            ready,
            terminating: object.metadata.deletion_timestamp.is_some(),
            failure: failure(&object),
        })
    }

    fn change(before: Option<&Self>, after: Option<&Self>) -> Change {
        change(before, after, |kept| kept)
    }
}

macro_rules! names_of {
    ($($kind:ty),*) => {$(
        impl Kept for KeptName<$kind> {
            type Object = PartialObjectMeta<$kind>;

            fn keep(_: Self::Object, _: Option<&Self>) -> Option<Self> {
                Some(Self(std::marker::PhantomData))
            }

            fn change(before: Option<&Self>, after: Option<&Self>) -> Change {
                if before.is_some() == after.is_some() { Change::Nothing } else { Change::View }
            }
        }
    )*};
}
names_of!(Secret, ConfigMap, Node);

/// Of an object whose part `fact` matters to the view, and the rest to the writer.
fn change<'a, V: PartialEq, F: PartialEq>(
    before: Option<&'a V>,
    after: Option<&'a V>,
    fact: impl Fn(&'a V) -> F,
) -> Change {
    if before.map(&fact) != after.map(&fact) {
        Change::View
    } else if before != after {
        Change::Observed
    } else {
        Change::Nothing
    }
}

fn label<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(name).map(String::as_str)
}

fn service(object: &Service) -> compile::Service {
    let spec = object.spec.as_ref();
    let port = spec.and_then(|spec| spec.ports.as_ref()?.first());
    let owners = object.metadata.owner_references.iter().flatten();
    let ingress = object.status.iter().filter_map(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    compile::Service {
        owner: owners.filter(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone()).next(),
        target_port: port.and_then(|port| match &port.target_port {
            Some(IntOrString::Int(port)) => u16::try_from(*port).ok(),
            _ => None,
        }),
        cluster_ip: spec.and_then(|spec| spec.cluster_ip.as_deref()?.parse().ok()),
        node_port: port.and_then(|port| u16::try_from(port.node_port?).ok()),
        ingress: ingress
            .flatten()
            .filter_map(|one| one.hostname.clone().or_else(|| one.ip.clone()))
            .collect(),
    }
}

/// Addresses that are ready, and those that are terminating and still serve.
fn endpoints(slice: &EndpointSlice) -> Vec<PodEndpoint> {
    let Some(port) = slice.ports.iter().flatten().find_map(|port| u16::try_from(port.port?).ok()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for endpoint in slice.endpoints.iter().flatten() {
        let conditions = endpoint.conditions.as_ref();
        let is = |get: fn(&k8s_openapi::api::discovery::v1::EndpointConditions) -> Option<bool>| {
            conditions.and_then(get)
        };
        // Not known counts as ready (discovery.k8s.io/v1).
        let ready = is(|c| c.ready).unwrap_or(true);
        let draining = !ready && is(|c| c.serving) == Some(true) && is(|c| c.terminating) == Some(true);
        if ready || draining {
            let addresses = endpoint.addresses.iter().filter_map(|address| address.parse().ok());
            found.extend(addresses.map(|address| PodEndpoint { address, port, draining }));
        }
    }
    found.sort_unstable();
    found
}

/// Why a pod does not run, as `kubectl get pods` says it; none while it may still come up.
fn failure(pod: &Pod) -> Option<String> {
    const FAILURES: [&str; 8] = [
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerError",
        "CreateContainerConfigError",
        "RunContainerError",
        "ErrImageNeverPull",
    ];
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() == Some("Failed") {
        let words = [status.reason.as_deref(), status.message.as_deref()];
        let words: Vec<_> = words.into_iter().flatten().collect();
        return Some(if words.is_empty() { "Failed".to_owned() } else { words.join(": ") });
    }
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let mut waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    let found = waiting.find(|w| w.reason.as_deref().is_some_and(|reason| FAILURES.contains(&reason)))?;
    let reason = found.reason.clone().unwrap_or_default();
    Some(match found.message.as_deref() {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_view_reads_of_a_slice_changes_the_view() {
        let body = |version: &str| Body { version: version.into(), json: "{}".into() };
        let slice = |version, service: &str, made_here| KeptSlice {
            body: body(version),
            made_here,
            service: service.to_owned(),
            endpoints: Vec::new(),
        };
        let before = slice("1", "mcp-a", false);
        let check = |after, expected| assert_eq!(KeptSlice::change(Some(&before), Some(&after)), expected);
        check(slice("1", "mcp-a", false), Change::Nothing);
        check(slice("2", "mcp-a", false), Change::Observed);
        check(slice("2", "mcp-b", false), Change::View);
        check(slice("2", "mcp-a", true), Change::View);
    }
}

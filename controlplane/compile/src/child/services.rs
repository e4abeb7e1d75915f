//! Services that lead to the gateways. They have no selector: a Service selects pods of its own namespace only, and the
//! gateways are in another.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tidegate_controlplane_api::types::{ServiceType, SessionAffinity};

use super::meta::Meta;

/// The only port's name; EndpointSlices refer to it.
pub(super) const PORT_NAME: &str = "http";

/// `spec` of a Service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FrontService {
    /// Default `ClusterIP`.
    pub(crate) r#type: ServiceType,
    /// Of clients to gateways.
    pub(crate) affinity: SessionAffinity,
    /// What clients connect to.
    pub(crate) port: u16,
    /// The gateways' port; also the record of it.
    pub(crate) target: u16,
    /// Every node has a gateway: clients stay on theirs.
    pub(crate) local: bool,
    /// Labels that the owner's spec adds.
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations that the owner's spec adds.
    pub(crate) annotations: BTreeMap<String, String>,
}

impl FrontService {
    pub(super) fn body(&self, meta: Meta<'_>) -> Value {
        let mut body = meta.body(self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if !self.annotations.is_empty() {
            body["metadata"]["annotations"] = json!(self.annotations);
        }
        body.insert("spec".to_owned(), Value::Object(self.spec()));
        Value::Object(body)
    }

    fn spec(&self) -> Map<String, Value> {
        let mut spec = Map::new();
        spec.insert("type".to_owned(), json!(service_type(self.r#type)));
        spec.insert("sessionAffinity".to_owned(), json!(affinity(self.affinity)));
        let policy = if self.local { "Local" } else { "Cluster" };
        spec.insert("internalTrafficPolicy".to_owned(), json!(policy));
        let port =
            json!({"name": PORT_NAME, "port": self.port, "protocol": "TCP", "targetPort": self.target});
        spec.insert("ports".to_owned(), json!([port]));
        spec
    }
}

fn service_type(r#type: ServiceType) -> &'static str {
    match r#type {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    }
}

fn affinity(affinity: SessionAffinity) -> &'static str {
    match affinity {
        SessionAffinity::ClientIP => "ClientIP",
        SessionAffinity::None => "None",
    }
}

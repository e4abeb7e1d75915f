//! What runs an MCPServer: a StatefulSet, as with the original, and the headless Service that knows its ready pods.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidegate_controlplane_api::types::{McpServerSpec, ServerTransport};
use tidegate_controlplane_api::{Document, Object, ObjectRef, Resource};

use super::meta::{Meta, labels};
use super::services::PORT_NAME;
use crate::front::workload_service;
use crate::pod::{self, NoTemplate};

/// Label of an MCPServer's pods and of nothing else: the original's proxy pods have all the usual ones too.
const SELECTOR: &str = "tidegate.dev/mcpserver";

/// An MCPServer that is run here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workload {
    /// Of the MCPServer.
    pub(crate) document: Arc<Document>,
    /// The image with the bridge for stdio.
    pub(crate) bridge: Arc<str>,
}

impl Workload {
    /// Whether there will be a body.
    pub(crate) fn check(&self) -> Result<(), NoTemplate> {
        match self.server() {
            Some(server) if may_fail(&server.spec) => self.template(server).map(drop),
            _ => Ok(()),
        }
    }

    pub(super) fn stateful_set(&self, meta: Meta<'_>) -> Value {
        let server = self.server().expect("only an MCPServer has a workload");
        let template = self.template(server).expect("it is wanted only after it has been checked");
        let mut spec = json!({
            "serviceName": workload_service(&self.document.object_ref.name),
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": selector(&self.document.object_ref)},
            "template": template,
        });
        // a number that nobody writes is an autoscaler's, from the start
        if let Some(replicas) = server.spec.backend_replicas {
            spec["replicas"] = json!(replicas);
        }
        let mut body = meta.body([]);
        body.insert("spec".to_owned(), spec);
        Value::Object(body)
    }

    pub(super) fn service(&self, meta: Meta<'_>) -> Value {
        let port = self.server().map_or(0, |server| pod::port(&server.spec));
        let mut body = meta.body([]);
        body.insert(
            "spec".to_owned(),
            json!({
                "clusterIP": "None",
                "publishNotReadyAddresses": false,
                "selector": selector(&self.document.object_ref),
                "ports": [{"name": PORT_NAME, "port": port, "protocol": "TCP", "targetPort": port}],
            }),
        );
        Value::Object(body)
    }

    fn template(&self, server: &Resource<McpServerSpec>) -> Result<Value, NoTemplate> {
        let mut all: Map<String, Value> = labels(&self.document.object_ref).into_iter().collect();
        all.extend(selector(&self.document.object_ref));
        pod::template(server, &all, &self.bridge)
    }

    fn server(&self) -> Option<&Resource<McpServerSpec>> {
        match &self.document.object {
            Object::Server(server) => Some(server),
            _ => None,
        }
    }
}

/// Most have nothing that could be wrong.
fn may_fail(spec: &McpServerSpec) -> bool {
    spec.pod_template_spec.is_some()
        || spec.transport.unwrap_or(ServerTransport::Stdio) == ServerTransport::Stdio
}

fn selector(object: &ObjectRef) -> Map<String, Value> {
    Map::from_iter([(SELECTOR.to_owned(), json!(*object.name))])
}

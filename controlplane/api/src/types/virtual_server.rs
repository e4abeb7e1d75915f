//! VirtualMCPServer (spec 1.5.1).

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Config, EmbeddedAuthServer, GroupRef, IncomingAuth, NameRef, OutgoingAuth, Raw, SessionAffinity,
    SessionStorage, TelemetryConfigRef, rules,
};

/// VirtualMCPServer: one endpoint that aggregates a group.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::VIRTUAL_MCP_SERVER))]
pub struct VirtualMcpServerSpec {
    /// The group whose members are served. A directory also takes `config.groupRef` for it, as before v0.20.
    #[schemars(required)]
    pub group_ref: Option<GroupRef>,
    /// Client to virtual server.
    pub incoming_auth: IncomingAuth,
    /// Virtual server to backends.
    pub outgoing_auth: Option<OutgoingAuth>,
    /// Client headers that are copied to every backend.
    #[serde(default)]
    pub passthrough_headers: Vec<String>,
    /// How its Service is reached; default `ClusterIP`.
    #[schemars(extend("default" = "ClusterIP"))]
    pub service_type: Option<ServiceType>,
    /// Of its Service; default `ClientIP`.
    #[schemars(extend("default" = "ClientIP"))]
    pub session_affinity: Option<SessionAffinity>,
    /// Service account of the pod.
    pub service_account: Option<String>,
    /// Patch of the pod; the environment of its container `vmcp` is read.
    pub pod_template_spec: Option<Raw>,
    /// Pods.
    pub replicas: Option<u32>,
    /// Where sessions would be stored.
    pub session_storage: Option<SessionStorage>,
    /// Secrets with credentials for images.
    #[serde(default)]
    pub image_pull_secrets: Vec<NameRef>,
    /// Telemetry, shared settings.
    pub telemetry_config_ref: Option<TelemetryConfigRef>,
    /// Embeddings for the optimizer.
    pub embedding_server_ref: Option<NameRef>,
    /// Embedded authorisation server (spec 6.5).
    pub auth_server_config: Option<EmbeddedAuthServer>,
    /// Everything else.
    pub config: Option<Config>,
}

/// `spec.serviceType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster.
    ClusterIP,
    /// A port on every node.
    NodePort,
    /// An address from the provider.
    LoadBalancer,
}

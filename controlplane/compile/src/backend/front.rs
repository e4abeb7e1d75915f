//! The front of one backend: where the original has a proxy pod, gateways serve the backend alone, with its own names
//! (`mcp-NAME-proxy`, `mcp-NAME-remote-proxy`; spec 2.2, 2.3).

use std::net::SocketAddr;
use std::num::NonZeroU16;

use tidegate_controlplane_api::types::{ResourceOverrides, ServiceType, SessionAffinity};
use tidegate_controlplane_api::{Document, Object, ObjectRef};
use tidegate_proto::table::{
    Aggregation, BackendId, ConflictResolution, IncomingAuth, Member, PartialFailure, Timeouts,
    VirtualServer, VirtualServerId, Visibility,
};

use crate::child::FrontService;
use crate::virtual_server::{CALL_TIMEOUT, STATUS_INTERVAL, default_health};

/// What the fields of a spec say of the Service.
pub(super) struct Wishes<'a> {
    port: Option<NonZeroU16>,
    affinity: Option<SessionAffinity>,
    overrides: Option<&'a ResourceOverrides>,
    /// What `status.url` ends with.
    path: &'static str,
}

/// `spec.proxyPort` by default.
const PORT: u16 = 8080;

impl<'a> Wishes<'a> {
    /// Of the kinds that have a front.
    pub(super) fn of(document: &'a Document) -> Option<Self> {
        Some(match &document.object {
            Object::Server(server) => Wishes {
                path: "/mcp",
                port: server.spec.proxy_port,
                affinity: server.spec.session_affinity,
                overrides: server.spec.resource_overrides.as_ref(),
            },
            Object::RemoteProxy(proxy) => Wishes {
                path: "",
                port: proxy.spec.proxy_port,
                affinity: proxy.spec.session_affinity,
                overrides: proxy.spec.resource_overrides.as_ref(),
            },
            _ => return None,
        })
    }

    /// `status.url` (spec 1.2, 1.3), at the Service's scheme and name.
    pub(super) fn url(&self, host: &str) -> String {
        format!("{host}:{}{}", self.port(), self.path)
    }

    fn port(&self) -> u16 {
        self.port.map_or(PORT, u16::from)
    }

    pub(super) fn service(&self) -> FrontService {
        let metadata = self.overrides.and_then(|overrides| overrides.proxy_service.as_ref());
        FrontService {
            r#type: ServiceType::ClusterIP,
            affinity: self.affinity.unwrap_or(SessionAffinity::ClientIP),
            port: self.port(),
            target: 0,
            local: false,
            labels: metadata.map(|metadata| metadata.labels.clone()).unwrap_or_default(),
            annotations: metadata.map(|metadata| metadata.annotations.clone()).unwrap_or_default(),
        }
    }
}

/// The name of a front in the table. No VirtualMCPServer can be called so.
pub(super) fn id(object: &ObjectRef) -> VirtualServerId {
    let kind = object.kind.as_str().to_ascii_lowercase();
    VirtualServerId::new(&object.namespace, &format!("{kind}:{}", object.name))
}

/// A virtual server of one member, whose tools keep their names.
pub(super) fn virtual_server(
    object: &ObjectRef,
    group: Option<&str>,
    backend: BackendId,
    listen: SocketAddr,
) -> VirtualServer {
    let member = Member { backend, workload: object.name.to_string(), call_timeout: CALL_TIMEOUT.0 };
    VirtualServer {
        id: id(object),
        server_name: object.name.to_string(),
        group: group.unwrap_or(&object.name).to_owned(),
        listen: vec![listen],
        members: vec![member],
        aggregation: Aggregation {
            conflict_resolution: ConflictResolution::Manual,
            tools: Vec::new(),
            exclude_all_tools: false,
            default_visibility: Visibility::Allow,
        },
        health: default_health(),
        breaker: None,
        partial_failure: PartialFailure::BestEffort,
        incoming_auth: IncomingAuth::Anonymous,
        passthrough_headers: Vec::new(),
        status_interval: STATUS_INTERVAL.0,
        timeouts: Timeouts::default(),
        retry_idempotent: false,
        request_log: false,
    }
}

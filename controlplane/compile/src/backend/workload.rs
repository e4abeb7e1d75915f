//! An MCPServer that the cluster runs: its pods are called directly, there is no proxy pod (spec 1.2, 2.2, decision 6).

use std::sync::Arc;

use tidegate_controlplane_api::Document;
use tidegate_controlplane_api::types::{McpServerSpec, ServerTransport};
use tidegate_proto::table::{Egress, Endpoint, Locality};

use super::address::Address;
use super::{Parts, Place, limits, server};
use crate::annotation::{self, COMMAND};
use crate::child::{Child, ChildKind, Content, Workload};
use crate::compiled::{Condition, Phase};
use crate::front::{self, Front, workload_service};
use crate::piece::Piece;
use crate::pod::{self, BRIDGE_IMAGE, NoTemplate};
use crate::report::Report;
use crate::view::cluster;

/// An MCPServer on its way.
pub(super) struct Running<'a> {
    pub(super) document: &'a Arc<Document>,
    pub(super) spec: &'a McpServerSpec,
    pub(super) place: &'a Place,
    pub(super) front: &'a Front,
}

/// How it stands.
pub(super) struct Standing {
    pub(super) phase: Phase,
    pub(super) message: String,
    pub(super) ready: u32,
}

impl Running<'_> {
    /// What the table needs of it; true when it needs a credential that cannot be attached.
    pub(super) fn compile(
        &self,
        report: &mut Report<'_>,
        conditions: &mut Vec<Condition>,
    ) -> (Option<Parts>, bool) {
        let spec = self.spec;
        let needs_credential = server::refuse(report, spec);
        server::not_served(report, spec, true);
        no_effect(report, spec);
        self.check_name(report);
        self.check_template(report, conditions);
        self.check_secrets(report, conditions);
        conditions.extend(replicas(spec));
        let transport = server::transport(report, spec);
        let limits = limits::compile(report);
        let port = pod::port(spec);
        let object = &self.document.object_ref;
        let service = workload_service(&object.name);
        let url = format!("http://{service}.{}.svc.cluster.local:{port}/mcp", object.namespace);
        let Ok(address) = Address::from_url(&url) else { return (None, needs_credential) };
        let parts = Parts {
            endpoints: endpoints(self.facts()),
            address,
            transport,
            locality: Locality::Local,
            headers: Vec::new(),
            egress: Egress::Any,
            limits,
        };
        (Some(parts), needs_credential)
    }

    fn check_name(&self, report: &mut Report<'_>) {
        if let Some(hindrance) = self.front.misnamed() {
            let remedy = "rename it: its Services and pods are named after it";
            report.invalid("bad-service-name", "metadata.name", hindrance.message.clone(), remedy);
        }
    }

    fn check_template(&self, report: &mut Report<'_>, conditions: &mut Vec<Condition>) {
        const FIELD: &str = "spec.podTemplateSpec";
        let of = |holds, reason, message| Condition::of("PodTemplateValid", holds, reason, message);
        match self.workload().check() {
            Ok(()) if self.spec.pod_template_spec.is_some() => {
                let message = "the pod template is valid".to_owned();
                conditions.push(of(true, "ValidPodTemplateSpec", message));
            }
            Ok(()) => {}
            Err(NoTemplate::Misfit(misfit)) => {
                conditions.push(of(false, "InvalidPodTemplateSpec", misfit.message.clone()));
                let field =
                    if misfit.field.is_empty() { FIELD } else { &format!("{FIELD}.{}", misfit.field) };
                let remedy =
                    "write it as in a StatefulSet's template: spec: {containers: [{name: mcp, ...}]}";
                report.invalid("bad-pod-template", field, misfit.message, remedy);
            }
            Err(missing @ NoTemplate::NoCommand) => {
                let remedy = "write the command, or serve streamable-http if the server can";
                report.invalid("stdio-command-missing", FIELD, missing.to_string(), remedy);
            }
        }
    }

    /// The pods wait for Secrets that do not exist.
    fn check_secrets(&self, report: &mut Report<'_>, conditions: &mut Vec<Condition>) {
        if self.spec.secrets.is_empty() {
            return;
        }
        let missing = self.missing_secrets();
        for (index, secret) in self.spec.secrets.iter().enumerate() {
            if missing.contains(&secret.name.0.as_str()) {
                let message = format!("there is no Secret {}; the pods wait for it", secret.name.0);
                let remedy = "create the Secret in the namespace of the MCPServer, or correct the name";
                report.warn("secret-not-found", &format!("spec.secrets[{index}].name"), message, remedy);
            }
        }
        let of = |holds, reason, message| Condition::of("SecretRefsValidated", holds, reason, message);
        conditions.push(match missing.as_slice() {
            [] => of(true, "SecretsValid", "the Secrets exist".to_owned()),
            missing => of(false, "SecretNotFound", format!("there is no Secret {}", missing.join(", "))),
        });
    }

    fn missing_secrets(&self) -> Vec<&str> {
        self.place.materials.missing_secrets().collect()
    }

    /// Wants the pods and the Service that knows them, unless it is not known how they should be.
    pub(super) fn keep(&self, piece: &mut Piece) {
        let object = &self.document.object_ref;
        if self.front.misnamed().is_some() {
            return piece.leave_alone();
        }
        let workload = self.workload();
        if workload.check().is_ok() {
            let child = Child::new(object, self.front.uid(), Content::StatefulSet(workload.clone()));
            piece.want(front::key(ChildKind::StatefulSet, object, &object.name), child);
        } else {
            piece.leave_kind_alone(ChildKind::StatefulSet);
        }
        let child = Child::new(object, self.front.uid(), Content::Pods(workload));
        piece.want(front::key(ChildKind::Service, object, &workload_service(&object.name)), child);
    }

    fn workload(&self) -> Workload {
        let bridge = self.place.bridge_image.clone().unwrap_or_else(|| BRIDGE_IMAGE.into());
        Workload { document: Arc::clone(self.document), bridge }
    }

    fn facts(&self) -> Option<&cluster::Workload> {
        self.place.workload.as_deref()
    }

    /// From its pods (spec 2.2).
    pub(super) fn standing(&self) -> Standing {
        let none = cluster::Workload::default();
        let facts = self.facts().unwrap_or(&none);
        let stopped =
            facts.replicas == Some(0) && self.spec.backend_replicas.is_none_or(|replicas| replicas == 0);
        let missing = self.missing_secrets();
        let (phase, message) = if self.document.is_deleting() {
            (Phase::Terminating, "MCP server is being deleted".to_owned())
        } else if stopped {
            (Phase::Stopped, "MCP server is stopped: it has no replicas".to_owned())
        } else if facts.ready > 0 {
            (Phase::Ready, "MCP server is running".to_owned())
        } else if !missing.is_empty() {
            (Phase::Pending, format!("Waiting for Secret {}", missing.join(", ")))
        } else if let Some(failure) = &facts.failure {
            (Phase::Failed, format!("MCP server failed to start: {failure}"))
        } else {
            (Phase::Pending, "MCP server is starting".to_owned())
        };
        Standing { phase, message, ready: facts.ready }
    }
}

/// The pods that may be called, as the table has them.
pub(crate) fn endpoints(facts: Option<&cluster::Workload>) -> Vec<Endpoint> {
    let pods = facts.into_iter().flat_map(|facts| &facts.endpoints);
    let endpoint = |pod: &cluster::PodEndpoint| Endpoint {
        host: pod.address.to_string(),
        port: pod.port,
        draining: pod.draining,
    };
    pods.map(endpoint).collect()
}

/// What the original says of the number of its proxy's pods, of which there are none.
fn replicas(spec: &McpServerSpec) -> Vec<Condition> {
    let many = spec.replicas.is_some_and(|replicas| replicas > 1);
    let mut conditions = Vec::new();
    if many || spec.session_storage.is_some() {
        let message = "sessions are sealed tokens that every gateway reads; no store is needed";
        let reason = "SessionStorageWarningNotApplicable";
        conditions.push(Condition::of("SessionStorageWarning", false, reason, message));
    }
    let many = many || spec.backend_replicas.is_some_and(|replicas| replicas > 1);
    if many && spec.transport.unwrap_or(ServerTransport::Stdio) == ServerTransport::Stdio {
        let message = "every session has a process of its own, in the pod that it stays with";
        conditions.push(Condition::of("StdioReplicaCapped", false, "StdioReplicaCapNotActive", message));
    }
    conditions
}

fn no_effect(report: &mut Report<'_>, spec: &McpServerSpec) {
    let proxy = "there is no proxy pod; the node gateways serve this backend";
    let overrides = spec.resource_overrides.as_ref();
    let overridden = overrides.is_some_and(|overrides| overrides.proxy_deployment.is_some());
    let fields = [
        (
            annotation::field(COMMAND),
            report.document.annotation(COMMAND).is_some(),
            "only `tidegate up` runs commands",
        ),
        (
            "spec.resourceOverrides.proxyDeployment".to_owned(),
            overridden,
            "there is no proxy pod; its imagePullSecrets are used for the server's",
        ),
        ("spec.trustProxyHeaders".to_owned(), spec.trust_proxy_headers.is_some(), proxy),
        ("spec.endpointPrefix".to_owned(), spec.endpoint_prefix.is_some(), proxy),
        (
            "spec.replicas".to_owned(),
            spec.replicas.is_some(),
            "there is no proxy pod; backendReplicas says how many pods the server has",
        ),
        (
            "spec.sessionStorage".to_owned(),
            spec.session_storage.is_some(),
            "sessions are sealed tokens and need no store",
        ),
    ];
    for (field, _, why) in fields.into_iter().filter(|(_, present, _)| *present) {
        report.no_effect(&field, why);
    }
}

/// Whether the cluster runs it: it is not said to be elsewhere.
pub(super) fn is_run(document: &Document) -> bool {
    document.annotation(annotation::ENDPOINT).is_none()
}

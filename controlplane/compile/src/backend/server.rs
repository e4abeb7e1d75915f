//! MCPServer (spec 1.2) that is not run by the cluster: annotations say where it listens and, for `tidegate up`, what to run.

use tidegate_controlplane_api::types::{HttpTransport, McpServerSpec, ServerTransport};
use tidegate_proto::table::{Egress, Locality, Transport};

use super::Parts;
use super::address::Address;
use super::limits;
use crate::annotation::{self, COMMAND, ENDPOINT};
use crate::compiled::Command;
use crate::piece::backend_id;
use crate::report::Report;

pub(super) fn compile(
    report: &mut Report<'_>,
    spec: &McpServerSpec,
    in_cluster: bool,
) -> (Option<Parts>, Option<Command>, bool) {
    let needs_credential = refuse(report, spec);
    not_served(report, spec, in_cluster);
    no_effect(report, spec, in_cluster);
    let transport = transport(report, spec);
    let address = endpoint(report);
    let argv = argv(report).filter(|_| !in_cluster);
    let command = match (&address, argv) {
        (Some(address), Some(argv)) => command(report, spec, address, argv),
        _ => None,
    };
    let limits = limits::compile(report);
    let parts = address.map(|address| Parts {
        endpoints: vec![address.endpoint.clone()],
        address,
        transport,
        locality: Locality::Local,
        headers: Vec::new(),
        egress: Egress::Any,
        limits,
    });
    (parts, command, needs_credential)
}

/// What would be weaker if it were left out; true when it is a credential.
pub(super) fn refuse(report: &mut Report<'_>, spec: &McpServerSpec) -> bool {
    let guards = [
        ("spec.oidcConfig", spec.oidc_config.is_some(), "oidc-not-served", "OIDC at the server"),
        ("spec.oidcConfigRef", spec.oidc_config_ref.is_some(), "oidc-not-served", "OIDC at the server"),
        ("spec.authzConfig", spec.authz_config.is_some(), "authz-not-served", "authorisation at the server"),
        (
            "spec.authzConfigRef",
            spec.authz_config_ref.is_some(),
            "authz-not-served",
            "authorisation at the server",
        ),
        (
            "spec.toolConfigRef",
            spec.tool_config_ref.is_some(),
            "tool-config-not-served",
            "an MCPToolConfig, which may hide tools",
        ),
        (
            "spec.webhookConfigRef",
            spec.webhook_config_ref.is_some(),
            "webhook-not-served",
            "webhooks, which may deny calls",
        ),
    ];
    super::remote::refuse_guards(report, &guards);
    let credentials = [
        (
            "spec.externalAuthConfigRef",
            spec.external_auth_config_ref.is_some(),
            "credential-not-served",
            "a credential towards the server",
        ),
        (
            "spec.authServerRef",
            spec.auth_server_ref.is_some(),
            "credential-not-served",
            "an embedded authorisation server",
        ),
    ];
    super::remote::refuse_guards(report, &credentials)
}

/// What it is served without.
pub(super) fn not_served(report: &mut Report<'_>, spec: &McpServerSpec, in_cluster: bool) {
    let features = [
        ("spec.rateLimiting", spec.rate_limiting.is_some(), "rate limits at a backend"),
        ("spec.audit", spec.audit.as_ref().is_some_and(|audit| audit.enabled), "the audit log of a backend"),
        ("spec.telemetryConfigRef", spec.telemetry_config_ref.is_some(), "telemetry settings of a backend"),
        ("spec.telemetry", spec.telemetry.is_some(), "telemetry settings of a backend"),
        ("spec.secrets", !spec.secrets.is_empty() && !in_cluster, "Secrets in the environment of a server"),
    ];
    for (field, _, feature) in features.into_iter().filter(|(_, present, _)| *present) {
        report.not_served(field, feature);
    }
    let commanded = report.document.annotation(COMMAND).is_some();
    if spec.permission_profile.is_some() && (in_cluster || commanded) {
        let feature = if in_cluster { "the sandbox of a server" } else { "the sandbox of a command" };
        report.not_served("spec.permissionProfile", feature);
    }
}

fn no_effect(report: &mut Report<'_>, spec: &McpServerSpec, in_cluster: bool) {
    let container = "no container is run; the annotation tidegate.dev/endpoint says where the server is";
    let proxy = "there is no proxy pod; the node gateways serve this backend";
    let runs_here = report.document.annotation(COMMAND).is_some() && !in_cluster;
    if in_cluster && report.document.annotation(COMMAND).is_some() {
        report.no_effect(&annotation::field(COMMAND), "only `tidegate up` runs commands");
    }
    let fields = [
        ("spec.args", !spec.args.is_empty(), container),
        ("spec.env", !spec.env.is_empty() && !runs_here, container),
        ("spec.volumes", !spec.volumes.is_empty(), container),
        ("spec.resources", spec.resources.is_some(), container),
        ("spec.serviceAccount", spec.service_account.is_some(), container),
        ("spec.podTemplateSpec", spec.pod_template_spec.is_some(), container),
        ("spec.backendReplicas", spec.backend_replicas.is_some(), container),
        ("spec.mcpPort", spec.mcp_port.is_some(), container),
        ("spec.proxyPort", spec.proxy_port.is_some(), proxy),
        ("spec.resourceOverrides", spec.resource_overrides.is_some(), proxy),
        ("spec.trustProxyHeaders", spec.trust_proxy_headers.is_some(), proxy),
        ("spec.endpointPrefix", spec.endpoint_prefix.is_some(), proxy),
        ("spec.sessionAffinity", spec.session_affinity.is_some(), proxy),
        ("spec.replicas", spec.replicas.is_some(), proxy),
        (
            "spec.sessionStorage",
            spec.session_storage.is_some(),
            "sessions are sealed tokens and need no store",
        ),
    ];
    for (field, _, why) in fields.into_iter().filter(|(_, present, _)| *present) {
        report.no_effect(field, why);
    }
}

/// The transport that clients of the server see: `proxyMode` decides for stdio only.
pub(super) fn transport(report: &mut Report<'_>, spec: &McpServerSpec) -> Transport {
    let (field, face) = match spec.transport.unwrap_or(ServerTransport::Stdio) {
        ServerTransport::Stdio => {
            ("spec.proxyMode", spec.proxy_mode.unwrap_or(HttpTransport::StreamableHttp))
        }
        ServerTransport::StreamableHttp => ("spec.transport", HttpTransport::StreamableHttp),
        ServerTransport::Sse => ("spec.transport", HttpTransport::Sse),
    };
    super::remote::check_transport(report, field, face)
}

fn endpoint(report: &mut Report<'_>) -> Option<Address> {
    let Some(text) = report.document.annotation(ENDPOINT) else {
        let message = "it is not known where this server listens: nothing runs containers here";
        let remedy = "add the annotation tidegate.dev/endpoint: HOST:PORT, and tidegate.dev/command for \
                      `tidegate up` to start it";
        report.invalid("endpoint-missing", "metadata.annotations", message, remedy);
        return None;
    };
    match Address::from_annotation(text) {
        Ok(address) => Some(address),
        Err(reason) => {
            let remedy = "write HOST:PORT, or http://HOST:PORT/PATH";
            report.invalid("bad-endpoint", &annotation::field(ENDPOINT), reason, remedy);
            None
        }
    }
}

fn argv(report: &mut Report<'_>) -> Option<Vec<String>> {
    let text = report.document.annotation(COMMAND)?;
    let problem = match serde_json::from_str::<Vec<String>>(text) {
        Ok(argv) if argv.first().is_some_and(|program| !program.is_empty()) => return Some(argv),
        Ok(_) => "the command is empty".to_owned(),
        Err(error) => format!("not a JSON array of texts: {error}"),
    };
    let remedy = r#"write program and arguments, as in ["uvx", "mcp-server-time"]"#;
    report.invalid("bad-command", &annotation::field(COMMAND), problem, remedy);
    None
}

fn command(
    report: &mut Report<'_>,
    spec: &McpServerSpec,
    address: &Address,
    argv: Vec<String>,
) -> Option<Command> {
    if address.tls {
        let message = "a command listens without TLS, but the endpoint is https";
        report.invalid("bad-endpoint", &annotation::field(ENDPOINT), message, "write an http endpoint");
        return None;
    }
    let object = report.document.object_ref.clone();
    Some(Command {
        backend: backend_id(&object),
        object,
        argv,
        env: spec.env.iter().map(|env| (env.name.0.clone(), env.value.clone())).collect(),
        transport: spec.transport.unwrap_or(ServerTransport::Stdio),
        endpoint: address.place(),
    })
}

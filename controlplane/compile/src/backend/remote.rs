//! MCPRemoteProxy and MCPServerEntry (spec 1.3, 1.4). Both go straight to the remote: there is no proxy pod.

use tidegate_controlplane_api::types::{
    HeaderForward, HttpTransport, HttpUrl, McpRemoteProxySpec, McpServerEntrySpec,
};
use tidegate_proto::table::{Locality, Transport};

use super::address::Address;
use super::{Parts, egress, headers, limits};
use crate::compiled::{Command, Condition};
use crate::report::Report;

type Result3 = (Option<Parts>, Option<Command>, bool);

/// Field, whether it is present, code, and what it is.
pub(super) type Guard = (&'static str, bool, &'static str, &'static str);

pub(super) fn proxy(
    report: &mut Report<'_>,
    spec: &McpRemoteProxySpec,
    in_cluster: bool,
    conditions: &mut Vec<Condition>,
) -> Result3 {
    let guards = [
        ("spec.oidcConfig", spec.oidc_config.is_some(), "oidc-not-served", "OIDC at the proxy"),
        ("spec.oidcConfigRef", spec.oidc_config_ref.is_some(), "oidc-not-served", "OIDC at the proxy"),
        ("spec.authzConfig", spec.authz_config.is_some(), "authz-not-served", "authorisation at the proxy"),
        (
            "spec.authzConfigRef",
            spec.authz_config_ref.is_some(),
            "authz-not-served",
            "authorisation at the proxy",
        ),
        (
            "spec.toolConfigRef",
            spec.tool_config_ref.is_some(),
            "tool-config-not-served",
            "an MCPToolConfig, which may hide tools",
        ),
    ];
    refuse_guards(report, &guards);
    let credentials = [
        (
            "spec.externalAuthConfigRef",
            spec.external_auth_config_ref.is_some(),
            "credential-not-served",
            "a credential towards the remote",
        ),
        (
            "spec.authServerRef",
            spec.auth_server_ref.is_some(),
            "credential-not-served",
            "an embedded authorisation server",
        ),
    ];
    let needs_credential =
        refuse_guards(report, &credentials) | secret_headers(report, spec.header_forward.as_ref());
    proxy_extras(report, spec, in_cluster);
    let transport =
        check_transport(report, "spec.transport", spec.transport.unwrap_or(HttpTransport::StreamableHttp));
    let allow_private = spec.allow_private_endpoint.unwrap_or(false);
    let parts =
        remote(report, &spec.remote_url, allow_private, transport, spec.header_forward.as_ref(), conditions);
    (parts, None, needs_credential)
}

fn proxy_extras(report: &mut Report<'_>, spec: &McpRemoteProxySpec, in_cluster: bool) {
    let features = [
        ("spec.audit", spec.audit.as_ref().is_some_and(|audit| audit.enabled), "the audit log of a backend"),
        ("spec.telemetryConfigRef", spec.telemetry_config_ref.is_some(), "telemetry settings of a backend"),
        ("spec.telemetry", spec.telemetry.is_some(), "telemetry settings of a backend"),
    ];
    for (field, _, feature) in features.into_iter().filter(|(_, present, _)| *present) {
        report.not_served(field, feature);
    }
    let proxy = "there is no proxy pod; the node gateways go to the remote themselves";
    // in a cluster there is a Service, of which labels and annotations are taken
    let overridden = spec
        .resource_overrides
        .as_ref()
        .is_some_and(|overrides| !in_cluster || overrides.proxy_deployment.is_some());
    let fields = [
        ("spec.proxyPort", spec.proxy_port.is_some() && !in_cluster, proxy),
        ("spec.resources", spec.resources.is_some(), proxy),
        ("spec.serviceAccount", spec.service_account.is_some(), proxy),
        ("spec.podTemplateSpec", spec.pod_template_spec.is_some(), proxy),
        ("spec.resourceOverrides", overridden, proxy),
        ("spec.trustProxyHeaders", spec.trust_proxy_headers.is_some(), proxy),
        ("spec.endpointPrefix", spec.endpoint_prefix.is_some(), proxy),
        ("spec.sessionAffinity", spec.session_affinity.is_some() && !in_cluster, proxy),
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

pub(super) fn entry(
    report: &mut Report<'_>,
    spec: &McpServerEntrySpec,
    conditions: &mut Vec<Condition>,
) -> Result3 {
    let guards = [(
        "spec.caBundleRef",
        spec.ca_bundle_ref.is_some(),
        "ca-bundle-not-served",
        "trust in certificates of one's own",
    )];
    refuse_guards(report, &guards);
    let credentials = [(
        "spec.externalAuthConfigRef",
        spec.external_auth_config_ref.is_some(),
        "credential-not-served",
        "a credential towards the remote",
    )];
    let needs_credential =
        refuse_guards(report, &credentials) | secret_headers(report, spec.header_forward.as_ref());
    let transport = check_transport(report, "spec.transport", spec.transport);
    let allow_private = spec.allow_private_endpoint.unwrap_or(false);
    let parts =
        remote(report, &spec.remote_url, allow_private, transport, spec.header_forward.as_ref(), conditions);
    (parts, None, needs_credential)
}

fn remote(
    report: &mut Report<'_>,
    url: &HttpUrl,
    allow_private: bool,
    transport: Transport,
    forward: Option<&HeaderForward>,
    conditions: &mut Vec<Condition>,
) -> Option<Parts> {
    let headers = headers::added(report, forward);
    let checked = Address::from_url(&url.0).map_err(|reason| ("bad-url", reason)).and_then(|address| {
        let egress = egress::check(&address.host, allow_private);
        egress.map(|egress| (address, egress)).map_err(|reason| ("remote-not-allowed", reason))
    });
    match checked {
        Ok((address, egress)) => {
            let message = "the remote URL is allowed";
            conditions.push(Condition::of("RemoteURLValidated", true, "RemoteURLValid", message));
            let limits = limits::compile(report);
            let endpoints = vec![address.endpoint.clone()];
            let locality = Locality::Remote;
            Some(Parts { address, endpoints, transport, locality, headers, egress, limits })
        }
        Err((code, reason)) => {
            conditions.push(Condition::of("RemoteURLValidated", false, "RemoteURLInvalid", reason.as_str()));
            let remedy = match code {
                "bad-url" => {
                    "write a URL such as https://mcp.example.com/mcp, without user name and password"
                }
                _ if !allow_private => {
                    "name a public host; for private ones that you trust set spec.allowPrivateEndpoint: true \
                     (loopback is never allowed: use an MCPServer with tidegate.dev/endpoint)"
                }
                _ => {
                    "name another host; for a server on this machine use an MCPServer with tidegate.dev/endpoint"
                }
            };
            report.invalid(code, "spec.remoteUrl", reason, remedy);
            None
        }
    }
}

/// Refuses an object because of each guard that is present; true when there is one.
pub(super) fn refuse_guards(report: &mut Report<'_>, guards: &[Guard]) -> bool {
    let mut any = false;
    for (field, _, code, what) in guards.iter().filter(|(_, present, ..)| *present) {
        any = true;
        let message = format!(
            "{what}: not served yet; this backend is withheld, as serving it without would be weaker"
        );
        report.refuse(code, field, message, "remove the field if the backend may be served without it");
    }
    any
}

fn secret_headers(report: &mut Report<'_>, forward: Option<&HeaderForward>) -> bool {
    let present = forward.is_some_and(|forward| !forward.add_headers_from_secret.is_empty());
    let field = "spec.headerForward.addHeadersFromSecret";
    refuse_guards(report, &[(field, present, "credential-not-served", "headers from Secrets")])
}

/// The transport in the table; one that is not served is withheld, as the previous value would not fit it.
pub(super) fn check_transport(report: &mut Report<'_>, field: &str, face: HttpTransport) -> Transport {
    match face {
        HttpTransport::StreamableHttp => Transport::StreamableHttp,
        HttpTransport::Sse => {
            let message =
                "backends that speak HTTP+SSE (MCP 2024-11-05): not served yet; this one is withheld";
            let remedy = "use streamable-http if the server offers it";
            report.refuse("transport-not-served", field, message, remedy);
            Transport::Sse
        }
    }
}

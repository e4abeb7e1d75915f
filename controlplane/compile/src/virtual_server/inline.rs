//! Inline mode: the backends are exactly `spec.config.backends` (spec 1.5.3, 2.6.4).

use std::collections::BTreeSet;

use tidegate_controlplane_api::types::{
    Config, HttpTransport, InlineBackend, InlineBackendType, VirtualMcpServerSpec,
};
use tidegate_proto::table::{BackendId, Egress, Limits, Locality, Transport, VirtualServerId};

use super::members::{Members, bar_inline};
use super::operational::Policies;
use crate::backend::Parts;
use crate::backend::address::Address;
use crate::backend::egress;
use crate::compiled::{Discovered, Hold, Withheld};
use crate::report::Report;

pub(super) fn members(
    report: &mut Report<'_>,
    server: &VirtualServerId,
    spec: &VirtualMcpServerSpec,
    config: &Config,
    policies: &Policies,
) -> Members {
    let mut found = Members::default();
    let mut taken = BTreeSet::new();
    for (index, backend) in config.backends.iter().enumerate() {
        let field = format!("spec.config.backends[{index}]");
        let name = &backend.name.0;
        found.names.insert(name.clone());
        if !taken.insert(name) {
            let message = format!("the name {name} is given to several backends");
            report.invalid("duplicate-backend", &format!("{field}.name"), message, "rename one of them");
            continue;
        }
        let id = BackendId::inline(server, name);
        let Some(parts) = parts(report, &field, backend) else { continue };
        if bar_inline(&mut found, report, spec, name, &id) {
            let reason = format!("the backend {name} is left out of this virtual server");
            found.inline.push(Err((id, Withheld { hold: Hold::Remove, reason })));
        } else if let Some(reason) = refusal(report, &field, backend) {
            found.barred.insert(id.clone());
            found.inline.push(Err((id, Withheld { hold: Hold::Remove, reason })));
        } else {
            found.discovered.push(Discovered {
                name: name.clone(),
                backend: id.clone(),
                url: parts.address.url.clone(),
                auth_type: "unauthenticated",
            });
            found.members.push(policies.member(id.clone(), name));
            found.inline.push(Ok(parts.into_backend(id, name)));
        }
    }
    found.members.sort_by(|a, b| a.workload.cmp(&b.workload));
    found.discovered.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn parts(report: &mut Report<'_>, field: &str, backend: &InlineBackend) -> Option<Parts> {
    let remote = backend.r#type == Some(InlineBackendType::Entry);
    let url_field = format!("{field}.url");
    let address = match Address::from_url(&backend.url.0) {
        Ok(address) => address,
        Err(reason) => {
            let remedy = "write a URL such as http://tools:8080/mcp, without user name and password";
            report.invalid("bad-url", &url_field, reason, remedy);
            return None;
        }
    };
    // who writes the list names the address: private ones are meant
    let egress = match remote.then(|| egress::check(&address.host, true)).transpose() {
        Ok(egress) => egress.unwrap_or(Egress::Any),
        Err(reason) => {
            let remedy = "name another host, or remove type: entry if the server is beside the gateway";
            report.invalid("remote-not-allowed", &url_field, reason, remedy);
            return None;
        }
    };
    if backend.metadata.contains_key("group") {
        let message = "the key group is reserved";
        report.warn("reserved-key", &format!("{field}.metadata[group]"), message, "choose another key");
    }
    let transport = match backend.transport {
        HttpTransport::StreamableHttp => Transport::StreamableHttp,
        HttpTransport::Sse => Transport::Sse,
    };
    let locality = if remote { Locality::Remote } else { Locality::Local };
    let (endpoints, headers) = (vec![address.endpoint.clone()], Vec::new());
    Some(Parts { address, endpoints, transport, locality, headers, egress, limits: Limits::default() })
}

/// Why a backend of the list is not served, though the others are.
fn refusal(report: &mut Report<'_>, field: &str, backend: &InlineBackend) -> Option<String> {
    if backend.transport == HttpTransport::Sse {
        let message = "backends that speak HTTP+SSE (MCP 2024-11-05): not served yet; this one is left out";
        let remedy = "use streamable-http if the server offers it";
        report.error("transport-not-served", &format!("{field}.transport"), message, remedy);
        return Some(message.to_owned());
    }
    backend.ca_bundle_path.as_ref()?;
    let field_name = format!("{field}.caBundlePath");
    if backend.r#type != Some(InlineBackendType::Entry) {
        let path = field.strip_prefix("spec.config.").unwrap_or(field);
        let message = format!(r#"{path}.caBundlePath is only valid when type is "entry""#);
        report.invalid("bad-value", &field_name, message.as_str(), "add type: entry, or remove caBundlePath");
        return Some(message);
    }
    let message = "trust in certificates of one's own: not served yet; this backend is left out";
    let remedy = "remove it if the backend may be used without it";
    report.error("ca-bundle-not-served", &field_name, message, remedy);
    Some(message.to_owned())
}

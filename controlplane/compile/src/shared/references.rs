//! References to shared objects, Secrets and ConfigMaps, and the conditions that say whether they lead anywhere. What an
//! object is refused for is decided elsewhere: these name what is missing.

use std::collections::BTreeMap;

use tidegate_controlplane_api::types::{
    AuthServerRef, HeaderForward, McpRemoteProxySpec, McpServerEntrySpec, McpServerSpec, NameRef,
    OidcConfigRef, TelemetryConfigRef, VirtualMcpServerSpec,
};
use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef, Severity};

use super::{Standing, standing};
use crate::compiled::Condition;
use crate::draft::Draft;
use crate::view::ClusterView;
use crate::view::cluster::{Cluster, NamespacedName};

/// One reference of one object.
pub(super) struct Reference {
    /// Where it stands.
    field: String,
    /// What is meant.
    pub(super) target: ObjectRef,
    check: &'static Check,
}

/// How a condition speaks of a reference.
struct Check {
    condition: &'static str,
    valid: &'static str,
    not_found: &'static str,
    invalid: &'static str,
}

const fn check(
    condition: &'static str,
    valid: &'static str,
    not_found: &'static str,
    invalid: &'static str,
) -> Check {
    Check { condition, valid, not_found, invalid }
}

static OIDC: Check =
    check("OIDCConfigRefValidated", "OIDCConfigRefValid", "OIDCConfigRefNotFound", "OIDCConfigRefNotValid");
static AUTHZ: Check = check(
    "AuthzConfigRefValidated",
    "AuthzConfigRefValid",
    "AuthzConfigRefNotFound",
    "AuthzConfigRefNotValid",
);
static TELEMETRY: Check = check(
    "TelemetryConfigRefValidated",
    "TelemetryConfigRefValid",
    "TelemetryConfigRefNotFound",
    "TelemetryConfigRefInvalid",
);
static TOOLS: Check =
    check("ToolConfigValidated", "ToolConfigValid", "ToolConfigNotFound", "ToolConfigNotValid");
static CREDENTIAL: Check =
    check("ExternalAuthConfigValidated", "AuthConfigValid", "AuthConfigNotFound", "AuthConfigNotValid");
static AUTH_SERVER: Check =
    check("AuthServerRefValidated", "AuthServerRefValid", "AuthServerRefNotFound", "AuthServerRefNotValid");
static COMPOSITE: Check = check(
    "CompositeToolRefsValidated",
    "CompositeToolRefsValid",
    "CompositeToolRefNotFound",
    "CompositeToolRefInvalid",
);

/// All references of an object to the kinds of [`super::SHARED`].
pub(super) fn of(document: &Document) -> Vec<Reference> {
    let mut found = Found { object: &document.object_ref, references: Vec::new() };
    match &document.object {
        Object::Server(server) => found.server(&server.spec),
        Object::RemoteProxy(proxy) => found.proxy(&proxy.spec),
        Object::Entry(entry) => {
            found.credential("spec.externalAuthConfigRef", entry.spec.external_auth_config_ref.as_ref())
        }
        Object::VirtualServer(server) => found.virtual_server(&server.spec),
        _ => {}
    }
    found.references
}

struct Found<'a> {
    object: &'a ObjectRef,
    references: Vec<Reference>,
}

impl Found<'_> {
    fn add(&mut self, kind: Kind, field: impl Into<String>, name: Option<&str>, check: &'static Check) {
        if let Some(name) = name {
            let target = self.object.sibling(kind, name);
            self.references.push(Reference { field: field.into(), target, check });
        }
    }

    fn oidc(&mut self, field: &str, reference: Option<&OidcConfigRef>) {
        self.add(Kind::McpOidcConfig, field, reference.map(|it| it.name.0.as_str()), &OIDC);
    }

    fn authz(&mut self, field: &str, reference: Option<&NameRef>) {
        self.add(Kind::McpAuthzConfig, field, reference.map(|it| it.name.0.as_str()), &AUTHZ);
    }

    fn telemetry(&mut self, reference: Option<&TelemetryConfigRef>) {
        let name = reference.map(|it| it.name.0.as_str());
        self.add(Kind::McpTelemetryConfig, "spec.telemetryConfigRef", name, &TELEMETRY);
    }

    fn tools(&mut self, field: impl Into<String>, reference: Option<&NameRef>) {
        self.add(Kind::McpToolConfig, field, reference.map(|it| it.name.0.as_str()), &TOOLS);
    }

    fn credential(&mut self, field: impl Into<String>, reference: Option<&NameRef>) {
        self.add(Kind::McpExternalAuthConfig, field, reference.map(|it| it.name.0.as_str()), &CREDENTIAL);
    }

    fn auth_server(&mut self, reference: Option<&AuthServerRef>) {
        let name = reference
            .filter(|it| it.kind == Kind::McpExternalAuthConfig.as_str())
            .map(|it| it.name.0.as_str());
        self.add(Kind::McpExternalAuthConfig, "spec.authServerRef", name, &AUTH_SERVER);
    }

    fn server(&mut self, spec: &McpServerSpec) {
        self.oidc("spec.oidcConfigRef", spec.oidc_config_ref.as_ref());
        self.authz("spec.authzConfigRef", spec.authz_config_ref.as_ref());
        self.tools("spec.toolConfigRef", spec.tool_config_ref.as_ref());
        self.credential("spec.externalAuthConfigRef", spec.external_auth_config_ref.as_ref());
        self.auth_server(spec.auth_server_ref.as_ref());
        self.telemetry(spec.telemetry_config_ref.as_ref());
    }

    fn proxy(&mut self, spec: &McpRemoteProxySpec) {
        self.oidc("spec.oidcConfigRef", spec.oidc_config_ref.as_ref());
        self.authz("spec.authzConfigRef", spec.authz_config_ref.as_ref());
        self.tools("spec.toolConfigRef", spec.tool_config_ref.as_ref());
        self.credential("spec.externalAuthConfigRef", spec.external_auth_config_ref.as_ref());
        self.auth_server(spec.auth_server_ref.as_ref());
        self.telemetry(spec.telemetry_config_ref.as_ref());
    }

    fn virtual_server(&mut self, spec: &VirtualMcpServerSpec) {
        self.oidc("spec.incomingAuth.oidcConfigRef", spec.incoming_auth.oidc_config_ref.as_ref());
        self.authz("spec.incomingAuth.authzConfigRef", spec.incoming_auth.authz_config_ref.as_ref());
        self.telemetry(spec.telemetry_config_ref.as_ref());
        if let Some(auth) = &spec.outgoing_auth {
            let default = auth.default.as_ref().and_then(|auth| auth.external_auth_config_ref.as_ref());
            self.credential("spec.outgoingAuth.default.externalAuthConfigRef", default);
            for (name, auth) in &auth.backends {
                let field = format!("spec.outgoingAuth.backends[{name}].externalAuthConfigRef");
                self.credential(field, auth.external_auth_config_ref.as_ref());
            }
        }
        let Some(config) = &spec.config else { return };
        for (index, tools) in config.aggregation.iter().flat_map(|it| &it.tools).enumerate() {
            let field = format!("spec.config.aggregation.tools[{index}].toolConfigRef");
            self.tools(field, tools.tool_config_ref.as_ref());
        }
        for (index, reference) in config.composite_tool_refs.iter().enumerate() {
            let field = format!("spec.config.compositeToolRefs[{index}]");
            self.add(Kind::VirtualMcpCompositeToolDefinition, field, Some(&reference.name.0), &COMPOSITE);
        }
    }
}

/// Adds a condition for each kind of reference, and a diagnostic for each that leads nowhere.
pub(super) fn report(view: &ClusterView, object: &ObjectRef, references: &[Reference], draft: &mut Draft) {
    let mut conditions: BTreeMap<&str, Condition> = BTreeMap::new();
    for Reference { field, target, check } in references {
        let (holds, reason, message) = match standing(view, target, draft) {
            Standing::InOrder => (true, check.valid, "what is referred to is there and valid".to_owned()),
            Standing::Missing => {
                (false, check.not_found, format!("{} {} not found", target.kind, target.name))
            }
            Standing::Invalid => {
                (false, check.invalid, format!("{} {} is not valid", target.kind, target.name))
            }
        };
        if !holds && let Some(document) = view.get(object) {
            let remedy = "create it in the same namespace, mend it, or correct the name";
            let code = if reason == check.not_found { "reference-not-found" } else { "reference-not-valid" };
            let found = document.diagnose(Severity::Warning, code, field, message.as_str(), remedy);
            draft.diagnostics.push(found);
        }
        let known = conditions.entry(check.condition);
        let condition = Condition::of(check.condition, holds, reason, message);
        // of several, the first that fails is told
        known
            .and_modify(|known| {
                if known.holds() && !holds {
                    *known = condition.clone()
                }
            })
            .or_insert(condition);
    }
    let conditions = conditions.into_values().chain(materials(view, object));
    if let Some(status) = draft.status.get_mut(object) {
        status.conditions.extend(conditions);
    }
}

/// Of the Secrets with headers and the ConfigMap with certificates of a remote backend (spec 1.3, 1.4).
fn materials(view: &ClusterView, object: &ObjectRef) -> Vec<Condition> {
    let Some((document, cluster)) = view.get(object).zip(view.cluster()) else { return Vec::new() };
    match &document.object {
        Object::RemoteProxy(proxy) => headers(object, proxy.spec.header_forward.as_ref(), cluster),
        Object::Entry(entry) => {
            let mut conditions = headers(object, entry.spec.header_forward.as_ref(), cluster);
            conditions.extend(certificates(object, &entry.spec, cluster));
            conditions
        }
        _ => Vec::new(),
    }
}

fn headers(object: &ObjectRef, forward: Option<&HeaderForward>, cluster: &Cluster) -> Vec<Condition> {
    let Some(forward) = forward.filter(|forward| !forward.add_headers_from_secret.is_empty()) else {
        return Vec::new();
    };
    let names = forward.add_headers_from_secret.iter().map(|header| header.value_secret_ref.name.0.as_str());
    let exists = |name: &&str| cluster.secrets.contains(&NamespacedName::new(&object.namespace, name));
    let missing: Vec<_> = names.filter(|name| !exists(name)).collect();
    let of = |holds, reason, message| Condition::of("HeaderSecretRefsValidated", holds, reason, message);
    vec![match missing.as_slice() {
        [] => of(true, "HeaderSecretsValid", "the Secrets exist".to_owned()),
        missing => of(false, "HeaderSecretNotFound", format!("there is no Secret {}", missing.join(", "))),
    }]
}

fn certificates(object: &ObjectRef, spec: &McpServerEntrySpec, cluster: &Cluster) -> Option<Condition> {
    let name = &spec.ca_bundle_ref.as_ref()?.config_map_ref.as_ref()?.name.0;
    let exists = cluster.config_maps.contains(&NamespacedName::new(&object.namespace, name));
    let of = |holds, reason, message| Condition::of("CABundleRefValidated", holds, reason, message);
    Some(if exists {
        of(true, "CABundleRefValid", "the ConfigMap exists".to_owned())
    } else {
        of(false, "CABundleRefNotFound", format!("there is no ConfigMap {name}"))
    })
}

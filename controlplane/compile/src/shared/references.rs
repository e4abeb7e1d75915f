//! References to shared objects, Secrets and ConfigMaps, and the conditions that say whether they lead anywhere. What an
//! object is refused for is decided elsewhere: these name what is missing.

use std::collections::BTreeMap;

use tidegate_controlplane_api::types::{
    AuthServerRef, McpRemoteProxySpec, McpServerSpec, NameRef, OidcConfigRef, TelemetryConfigRef,
    VirtualMcpServerSpec,
};
use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef, Severity};

use super::Standing;
use crate::compiled::Condition;
use crate::piece::Piece;

/// The references of one object, and where they lead.
#[derive(Debug, PartialEq)]
pub(crate) struct References(Vec<(Reference, Standing)>);

/// One reference of one object.
#[derive(Debug, PartialEq)]
pub(super) struct Reference {
    /// Where it stands.
    field: String,
    /// What is meant.
    pub(super) target: ObjectRef,
    check: &'static Check,
}

/// How a condition speaks of a reference.
#[derive(Debug, PartialEq)]
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

impl References {
    /// Those of an object.
    pub(crate) fn of(document: &Document, standing: impl Fn(&ObjectRef) -> Standing) -> Self {
        let judged = |reference: Reference| {
            let standing = standing(&reference.target);
            (reference, standing)
        };
        Self(of(document).into_iter().map(judged).collect())
    }

    /// Adds a condition for each kind of reference, and a diagnostic for each that leads nowhere.
    pub(crate) fn report(&self, document: &Document, piece: &mut Piece) {
        let mut conditions: BTreeMap<&str, Condition> = BTreeMap::new();
        for (Reference { field, target, check }, standing) in &self.0 {
            let (holds, reason, message) = match standing {
                Standing::InOrder => (true, check.valid, "what is referred to is there and valid".to_owned()),
                Standing::Missing => {
                    (false, check.not_found, format!("{} {} not found", target.kind, target.name))
                }
                Standing::Invalid => {
                    (false, check.invalid, format!("{} {} is not valid", target.kind, target.name))
                }
            };
            if !holds {
                let remedy = "create it in the same namespace, mend it, or correct the name";
                let missing = *standing == Standing::Missing;
                let code = if missing { "reference-not-found" } else { "reference-not-valid" };
                let found = document.diagnose(Severity::Warning, code, field, message.as_str(), remedy);
                piece.diagnostics.push(found);
            }
            let condition = Condition::of(check.condition, holds, reason, message);
            // of several, the first that fails is told
            let known = conditions.entry(check.condition).or_insert_with(|| condition.clone());
            if known.holds() && !holds {
                *known = condition;
            }
        }
        piece.add_conditions(conditions.into_values());
    }
}

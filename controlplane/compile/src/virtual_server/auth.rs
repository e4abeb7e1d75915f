//! `spec.incomingAuth` and `spec.outgoingAuth` (spec 1.5.2, 1.5.4). A virtual server that asks for more than
//! anonymous access is withheld: it fails closed.

use tidegate_controlplane_api::types::{
    BackendAuthConfig, BackendAuthType, IncomingAuth, IncomingAuthType, OutgoingAuth, VirtualMcpServerSpec,
};

use crate::compiled::Condition;
use crate::report::Report;

const REMOVE: &str = "use type: anonymous without policies if anybody may call; else wait until it is served";

pub(super) fn incoming(
    report: &mut Report<'_>,
    spec: &VirtualMcpServerSpec,
    conditions: &mut Vec<Condition>,
) {
    let auth = &spec.incoming_auth;
    let mut refuse = |code, field: &str, message: String| report.refuse(code, field, message, REMOVE);
    for (field, message) in contradictions(auth) {
        refuse("bad-auth", field, message.to_owned());
    }
    if auth.r#type == IncomingAuthType::Oidc {
        let what =
            "OIDC: not served yet; this virtual server is withheld, as serving it to anybody would be weaker";
        refuse("oidc-not-served", "spec.incomingAuth.type", what.to_owned());
    }
    let policies = [
        ("spec.incomingAuth.authzConfig", auth.authz_config.is_some(), "authorisation policies"),
        ("spec.incomingAuth.authzConfigRef", auth.authz_config_ref.is_some(), "authorisation policies"),
        ("spec.authServerConfig", spec.auth_server_config.is_some(), "an embedded authorisation server"),
    ];
    for (field, _, what) in policies.into_iter().filter(|(_, present, _)| *present) {
        let message = format!(
            "{what}: not served yet; this virtual server is withheld, as serving it without would be weaker"
        );
        refuse("authz-not-served", field, message);
    }
    if auth.r#type == IncomingAuthType::Anonymous {
        let unused = [
            ("spec.incomingAuth.oidcConfig", auth.oidc_config.is_some()),
            ("spec.incomingAuth.oidcConfigRef", auth.oidc_config_ref.is_some()),
        ];
        for (field, _) in unused.into_iter().filter(|(_, present)| *present) {
            let message = "has no effect: incomingAuth.type is anonymous, so that anybody may call";
            report.warn("auth-unused", field, message, "write type: oidc, or remove it");
        }
    }
    conditions.push(match report.withheld().filter(|withheld| withheld.hold == crate::Hold::Remove) {
        None => Condition::of("AuthConfigured", true, "AuthValid", "anybody may call (anonymous)"),
        Some(withheld) => Condition::of("AuthConfigured", false, "AuthInvalid", withheld.reason.as_str()),
    });
}

/// The rules between fields, in the words of the CRD.
fn contradictions(auth: &IncomingAuth) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let (has_config, has_ref) = (auth.oidc_config.is_some(), auth.oidc_config_ref.is_some());
    if has_config && has_ref {
        found.push((
            "spec.incomingAuth.oidcConfig",
            "oidcConfig and oidcConfigRef are mutually exclusive; use oidcConfigRef to reference a shared \
             MCPOIDCConfig",
        ));
    }
    if auth.r#type == IncomingAuthType::Oidc && !has_config && !has_ref {
        found.push((
            "spec.incomingAuth",
            "spec.incomingAuth.oidcConfig or oidcConfigRef is required when type is oidc",
        ));
    }
    if auth.authz_config.is_some() && auth.authz_config_ref.is_some() {
        found.push((
            "spec.incomingAuth.authzConfig",
            "authzConfig and authzConfigRef are mutually exclusive; use authzConfigRef to reference a shared \
             MCPAuthzConfig",
        ));
    }
    found
}

/// The shape of outgoing credentials; whether they can be attached is decided per member.
pub(super) fn check_outgoing(report: &mut Report<'_>, auth: Option<&OutgoingAuth>) {
    let Some(auth) = auth else { return };
    if let Some(default) = &auth.default {
        check_backend(report, "spec.outgoingAuth.default", default);
    }
    for (name, backend) in &auth.backends {
        check_backend(report, &format!("spec.outgoingAuth.backends[{name}]"), backend);
    }
}

fn check_backend(report: &mut Report<'_>, field: &str, auth: &BackendAuthConfig) {
    match (auth.r#type, &auth.external_auth_config_ref) {
        (None, _) => {
            let message = format!("{field}.type is required");
            let remedy = "write type: discovered or type: externalAuthConfigRef";
            report.invalid("missing-field", &format!("{field}.type"), message, remedy);
        }
        (Some(BackendAuthType::ExternalAuthConfigRef), None) => {
            let message =
                format!("{field}.externalAuthConfigRef is required when type is externalAuthConfigRef");
            let remedy = "add externalAuthConfigRef: {name: NAME}";
            report.invalid("missing-field", &format!("{field}.externalAuthConfigRef"), message, remedy);
        }
        _ => {}
    }
}

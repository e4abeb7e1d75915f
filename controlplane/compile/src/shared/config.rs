//! The configuration kinds (spec 1.7 to 1.11): whether one is valid, and a digest of what it says.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use tidegate_controlplane_api::types::{
    ExternalAuthType, McpAuthzConfigSpec, McpExternalAuthConfigSpec, McpOidcConfigSpec,
    McpTelemetryConfigSpec, McpToolConfigSpec, OidcSource,
};
use tidegate_controlplane_api::{Document, Object};

use super::status_of;
use crate::compiled::{Condition, Details, ObjectStatus};

/// What is wrong, with the reason of the condition.
type Problem = (&'static str, String);

pub(super) fn status(document: &Document) -> ObjectStatus {
    let (hash, problem) = match &document.object {
        Object::OidcConfig(it) => (digest(&it.spec), oidc(&it.spec).map(failed)),
        Object::ExternalAuthConfig(it) => (digest(&it.spec), external_auth(&it.spec)),
        Object::AuthzConfig(it) => (digest(&it.spec), authz(&it.spec).map(failed)),
        Object::ToolConfig(it) => (digest(&it.spec), tools(&it.spec).map(failed)),
        Object::TelemetryConfig(it) => (digest(&it.spec), telemetry(&it.spec).map(failed)),
        _ => (String::new(), None),
    };
    let valid = match problem {
        None => Condition::of("Valid", true, "ValidationSucceeded", "the spec is valid"),
        Some((reason, message)) => Condition::of("Valid", false, reason, message),
    };
    let details = Details { config_hash: Some(hash), ..Details::default() };
    ObjectStatus { details, ..status_of(vec![valid]) }
}

fn failed(message: String) -> Problem {
    ("ValidationFailed", message)
}

/// Of a spec as it is understood here; equal for equal specs, 16 hexadecimal digits.
fn digest(spec: &impl std::fmt::Debug) -> String {
    let digest = Sha256::digest(format!("{spec:?}"));
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn oidc(spec: &McpOidcConfigSpec) -> Option<String> {
    let blocks = [
        (
            "kubernetesServiceAccount",
            OidcSource::KubernetesServiceAccount,
            spec.kubernetes_service_account.is_some(),
        ),
        ("inline", OidcSource::Inline, spec.inline.is_some()),
    ];
    blocks
        .into_iter()
        .find(|(_, source, set)| (spec.r#type == *source) != *set)
        .map(|(name, ..)| format!("{name} must be set when type is '{name}', and must not be set otherwise"))
}

fn external_auth(spec: &McpExternalAuthConfigSpec) -> Option<Problem> {
    use ExternalAuthType as Type;
    let blocks = [
        ("tokenExchange", Type::TokenExchange, spec.token_exchange.is_some()),
        ("headerInjection", Type::HeaderInjection, spec.header_injection.is_some()),
        ("bearerToken", Type::BearerToken, spec.bearer_token.is_some()),
        ("embeddedAuthServer", Type::EmbeddedAuthServer, spec.embedded_auth_server.is_some()),
        ("awsSts", Type::AwsSts, spec.aws_sts.is_some()),
        ("upstreamInject", Type::UpstreamInject, spec.upstream_inject.is_some()),
        ("obo", Type::Obo, spec.obo.is_some()),
        ("xaa", Type::Xaa, spec.xaa.is_some()),
    ];
    if spec.r#type == Type::Unauthenticated {
        let any = blocks.iter().any(|(.., set)| *set);
        return any.then(|| failed("no configuration must be set when type is 'unauthenticated'".to_owned()));
    }
    let wrong = blocks.into_iter().find(|(_, r#type, set)| (spec.r#type == *r#type) != *set);
    if let Some((name, r#type, _)) = wrong {
        let reason = if r#type == Type::Obo { "InvalidConfig" } else { "ValidationFailed" };
        return Some((reason, format!("{name} configuration must be set if and only if type is '{name}'")));
    }
    let unserved = "type obo is not part of the open-source product".to_owned();
    (spec.r#type == Type::Obo).then_some(("EnterpriseRequired", unserved))
}

/// Of Cedar, whether there are policies; what they say is for those who evaluate them.
fn authz(spec: &McpAuthzConfigSpec) -> Option<String> {
    let policies = spec.config.get("policies").and_then(|policies| policies.as_array());
    let listed =
        policies.is_some_and(|policies| !policies.is_empty() && policies.iter().all(|it| it.is_string()));
    (spec.r#type.0 == "cedarv1" && !listed)
        .then(|| "config.policies must be a list of at least one policy when type is 'cedarv1'".to_owned())
}

fn tools(spec: &McpToolConfigSpec) -> Option<String> {
    let mut names = BTreeSet::new();
    let mut renamed = spec.tools_override.values().filter_map(|change| change.name.as_deref());
    renamed.find(|name| !names.insert(*name)).map(|name| format!("toolsOverride names two tools {name:?}"))
}

fn telemetry(spec: &McpTelemetryConfigSpec) -> Option<String> {
    let otel = spec.open_telemetry.as_ref()?;
    let endpoint = otel.endpoint.as_deref().is_some_and(|endpoint| !endpoint.is_empty());
    let metrics = otel.metrics.as_ref().is_some_and(|metrics| metrics.enabled);
    let tracing = otel.tracing.as_ref().is_some_and(|tracing| tracing.enabled);
    if endpoint && !metrics && !tracing {
        return Some("openTelemetry.endpoint requires metrics or tracing to be enabled".to_owned());
    }
    (otel.insecure && otel.ca_bundle_ref.is_some())
        .then(|| "openTelemetry.caBundleRef and insecure are mutually exclusive".to_owned())
}

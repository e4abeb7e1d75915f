//! What stands beside routing: rules between fields (spec 1.5.4), what is not served yet, what has no effect.

use std::collections::BTreeSet;

use tidegate_controlplane_api::types::{
    Config, EmbeddingProvider, IncomingAuthType, Optimizer, RateLimiting, SessionProvider, SessionStorage,
    VirtualMcpServerSpec,
};

use crate::compiled::Condition;
use crate::report::Report;

/// Rules between fields whose breach makes the spec invalid.
pub(super) fn validate(report: &mut Report<'_>, spec: &VirtualMcpServerSpec, config: &Config) {
    storage(report, "spec.sessionStorage", spec.session_storage.as_ref());
    storage(report, "spec.config.sessionStorage", config.session_storage.as_ref());
    if let Some(limits) = &config.rate_limiting {
        rate_limits(report, spec, config, limits);
    }
    composite_names(report, config);
    optimizer(report, spec, config.optimizer.as_ref());
}

fn storage(report: &mut Report<'_>, field: &str, storage: Option<&SessionStorage>) {
    let lacks_address = |storage: &&SessionStorage| {
        storage.provider == SessionProvider::Redis && storage.address.as_deref().is_none_or(str::is_empty)
    };
    if storage.filter(lacks_address).is_some() {
        let remedy = "add address: HOST:PORT, or remove sessionStorage: it is not needed";
        report.invalid("missing-field", &format!("{field}.address"), "address is required", remedy);
    }
}

fn rate_limits(report: &mut Report<'_>, spec: &VirtualMcpServerSpec, config: &Config, limits: &RateLimiting) {
    let field = "spec.config.rateLimiting";
    let is_redis = |storage: &SessionStorage| storage.provider == SessionProvider::Redis;
    let storage = spec.session_storage.as_ref().or(config.session_storage.as_ref());
    if !storage.is_some_and(is_redis) {
        let message = "config.rateLimiting requires sessionStorage with provider 'redis'";
        let remedy = "add spec.sessionStorage with provider redis and an address, or remove rateLimiting";
        report.invalid("bad-value", field, message, remedy);
    }
    let oidc = spec.incoming_auth.r#type == IncomingAuthType::Oidc;
    let remedy = "use shared, or require tokens";
    if limits.per_user.is_some() && !oidc {
        let message = "config.rateLimiting.perUser requires incomingAuth.type oidc";
        report.invalid("bad-value", &format!("{field}.perUser"), message, remedy);
    }
    if limits.shared.is_none() && limits.per_user.is_none() && limits.tools.is_empty() {
        let message = "at least one of shared, perUser and tools is required";
        report.invalid("missing-field", field, message, "add a bucket, or remove rateLimiting");
    }
    for (index, tool) in limits.tools.iter().enumerate() {
        let field = format!("{field}.tools[{index}]");
        if tool.per_user.is_some() && !oidc {
            let message = "config.rateLimiting.tools perUser requires incomingAuth.type oidc";
            report.invalid("bad-value", &format!("{field}.perUser"), message, remedy);
        }
        if tool.shared.is_none() && tool.per_user.is_none() {
            let message = "at least one of shared and perUser is required";
            report.invalid("missing-field", &field, message, "add a bucket, or remove the tool");
        }
    }
}

fn composite_names(report: &mut Report<'_>, config: &Config) {
    let mut seen = BTreeSet::new();
    for (index, tool) in config.composite_tools.iter().enumerate() {
        if !seen.insert(&tool.name.0) {
            let message = format!("the composite tool {} is defined twice", tool.name.0);
            let field = format!("spec.config.compositeTools[{index}].name");
            report.invalid("duplicate-composite-tool", &field, message, "rename one of them");
        }
    }
}

fn optimizer(report: &mut Report<'_>, spec: &VirtualMcpServerSpec, optimizer: Option<&Optimizer>) {
    let Some(optimizer) = optimizer else { return };
    let field = "spec.config.optimizer";
    let referenced = spec.embedding_server_ref.is_some();
    if referenced && optimizer.embedding_provider == Some(EmbeddingProvider::OpenAi) {
        let message = "embeddingServerRef cannot be combined with optimizer.embeddingProvider openai";
        let remedy = "remove one of the two";
        report.invalid("bad-value", &format!("{field}.embeddingProvider"), message, remedy);
    }
    if !referenced && optimizer.embedding_service.as_deref().unwrap_or("").is_empty() {
        let message = "spec.config.optimizer requires an embedding service: set spec.embeddingServerRef \
                       (recommended) or spec.config.optimizer.embeddingService";
        report.invalid("missing-field", field, message, "add one of them, or remove optimizer");
    }
}

/// What is accepted and not done, and the conditions that say so.
pub(super) fn report(
    report: &mut Report<'_>,
    spec: &VirtualMcpServerSpec,
    config: &Config,
    in_cluster: bool,
    conditions: &mut Vec<Condition>,
) {
    not_served(report, spec, config);
    no_effect(report, spec, config, in_cluster);
    if spec.session_storage.is_some() || spec.replicas.is_some_and(|replicas| replicas > 1) {
        let message = "sessions are sealed tokens that every gateway reads; no store is needed";
        let reason = "SessionStorageWarningNotApplicable";
        conditions.push(Condition::of("SessionStorageWarning", false, reason, message));
    }
    let message = "the node gateways serve this virtual server; there is no pod of its own";
    conditions.push(Condition::of("ServedByNodeGateways", true, "NodeGateways", message));
}

fn not_served(report: &mut Report<'_>, spec: &VirtualMcpServerSpec, config: &Config) {
    let audited = config.audit.as_ref().is_some_and(|audit| audit.enabled);
    let scripted = config.code_mode.as_ref().is_some_and(|code_mode| code_mode.enabled);
    let features = [
        ("spec.telemetryConfigRef", spec.telemetry_config_ref.is_some(), "telemetry settings"),
        ("spec.embeddingServerRef", spec.embedding_server_ref.is_some(), "the optimizer"),
        ("spec.config.optimizer", config.optimizer.is_some(), "the optimizer"),
        ("spec.config.codeMode", scripted, "code mode"),
        ("spec.config.compositeTools", !config.composite_tools.is_empty(), "composite tools"),
        ("spec.config.compositeToolRefs", !config.composite_tool_refs.is_empty(), "composite tools"),
        ("spec.config.rateLimiting", config.rate_limiting.is_some(), "rate limits"),
        ("spec.config.audit", audited, "the audit log"),
        ("spec.config.telemetry", config.telemetry.is_some(), "telemetry settings"),
    ];
    for (field, _, feature) in features.into_iter().filter(|(_, present, _)| *present) {
        report.not_served(field, feature);
    }
}

fn no_effect(report: &mut Report<'_>, spec: &VirtualMcpServerSpec, config: &Config, in_cluster: bool) {
    let gateways = "the node gateways serve this virtual server; there is no pod of its own";
    let sealed = "sessions are sealed tokens and need no store";
    let runtime = "the operator's own copy; the field of that name under spec is used";
    let service = "no Service is made outside a cluster";
    let fields = [
        ("spec.replicas", spec.replicas.is_some(), gateways),
        ("spec.sessionAffinity", spec.session_affinity.is_some() && !in_cluster, sealed),
        ("spec.serviceType", spec.service_type.is_some() && !in_cluster, service),
        ("spec.serviceAccount", spec.service_account.is_some(), gateways),
        ("spec.imagePullSecrets", !spec.image_pull_secrets.is_empty(), gateways),
        ("spec.sessionStorage", spec.session_storage.is_some(), sealed),
        ("spec.config.sessionStorage", config.session_storage.is_some(), sealed),
        ("spec.config.incomingAuth", config.incoming_auth.is_some(), runtime),
        ("spec.config.outgoingAuth", config.outgoing_auth.is_some(), runtime),
        ("spec.config.passthroughHeaders", !config.passthrough_headers.is_empty(), runtime),
    ];
    for (field, _, why) in fields.into_iter().filter(|(_, present, _)| *present) {
        report.no_effect(field, why);
    }
}

//! Tables and statuses as stable text for people: golden tests, `tidegate describe`. Not a format to be read back.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use tidegate_controlplane_api::{GoDuration, ObjectRef};
use tidegate_proto::table::{
    Aggregation, Backend, ConflictResolution, Entry, Limits, Table, Timeouts, ToolOverride, VirtualServer,
    Visibility,
};

use crate::compiled::{ObjectStatus, Phase};

/// A table in YAML's shape, in canonical order.
pub fn dump_table(table: &Table) -> String {
    let mut out = String::new();
    for entry in table.entries.values() {
        let written = match &**entry {
            Entry::Backend(backend) => dump_backend(&mut out, backend),
            Entry::VirtualServer(server) => dump_server(&mut out, server),
        };
        written.expect("writing to a string cannot fail");
    }
    if out.is_empty() { "{}\n".to_owned() } else { out }
}

/// Statuses in YAML's shape, by object.
pub fn dump_status<'a>(statuses: impl IntoIterator<Item = (&'a ObjectRef, &'a Arc<ObjectStatus>)>) -> String {
    let mut out = String::new();
    for (object, status) in statuses {
        dump_object(&mut out, object, status).expect("writing to a string cannot fail");
    }
    if out.is_empty() { "{}\n".to_owned() } else { out }
}

fn dump_backend(out: &mut String, backend: &Backend) -> fmt::Result {
    writeln!(out, "backend {}:", backend.id)?;
    writeln!(out, "  workload: {}", backend.workload)?;
    writeln!(out, "  locality: {:?}", backend.locality)?;
    writeln!(out, "  transport: {:?}", backend.transport)?;
    writeln!(out, "  tls: {}", backend.tls)?;
    writeln!(out, "  authority: {}", backend.authority)?;
    writeln!(out, "  path: {}", backend.path)?;
    let endpoints = backend.endpoints.iter().map(|e| {
        let draining = if e.draining { " draining" } else { "" };
        format!("{} port {}{draining}", e.host, e.port)
    });
    writeln!(out, "  endpoints: [{}]", join(endpoints))?;
    writeln!(out, "  outgoingAuth: {:?}", backend.outgoing_auth)?;
    for header in &backend.headers {
        writeln!(out, "  header {}: {:?}", header.name, header.value)?;
    }
    if backend.limits != Limits::default() {
        let Limits { connections, requests, pending } = backend.limits;
        let limits = format!("{{connections: {connections}, requests: {requests}, pending: {pending}}}");
        writeln!(out, "  limits: {limits}")?;
    }
    writeln!(out, "  egress: {:?}", backend.egress)
}

fn dump_server(out: &mut String, server: &VirtualServer) -> fmt::Result {
    writeln!(out, "virtual server {}:", server.id)?;
    writeln!(out, "  serverName: {}", server.server_name)?;
    writeln!(out, "  group: {}", server.group)?;
    writeln!(out, "  listen: [{}]", join(server.listen.iter().map(ToString::to_string)))?;
    writeln!(out, "  members:{}", if server.members.is_empty() { " []" } else { "" })?;
    for member in &server.members {
        let timeout = GoDuration(member.call_timeout);
        writeln!(out, "  - {}: {{backend: {}, callTimeout: {timeout}}}", member.workload, member.backend)?;
    }
    dump_aggregation(out, &server.aggregation)?;
    let health = &server.health;
    writeln!(
        out,
        "  health: {{interval: {}, timeout: {}, unhealthyThreshold: {}, probeRemote: {}}}",
        GoDuration(health.interval),
        GoDuration(health.timeout),
        health.unhealthy_threshold,
        health.probe_remote
    )?;
    match &server.breaker {
        None => writeln!(out, "  breaker: none")?,
        Some(breaker) => writeln!(
            out,
            "  breaker: {{failureThreshold: {}, openFor: {}{}}}",
            breaker.failure_threshold,
            GoDuration(breaker.open_for),
            if breaker.per_tool { ", perTool: true" } else { "" }
        )?,
    }
    dump_timeouts(out, &server.timeouts)?;
    if server.retry_idempotent {
        writeln!(out, "  retryIdempotent: true")?;
    }
    if server.request_log {
        writeln!(out, "  requestLog: true")?;
    }
    writeln!(out, "  partialFailure: {:?}", server.partial_failure)?;
    writeln!(out, "  incomingAuth: {:?}", server.incoming_auth)?;
    writeln!(out, "  passthroughHeaders: [{}]", server.passthrough_headers.join(", "))?;
    writeln!(out, "  statusInterval: {}", GoDuration(server.status_interval))
}

/// Those that are not the defaults.
fn dump_timeouts(out: &mut String, timeouts: &Timeouts) -> fmt::Result {
    if timeouts.connect != Timeouts::CONNECT {
        writeln!(out, "  connectTimeout: {}", GoDuration(timeouts.connect))?;
    }
    if let Some(idle) = timeouts.idle {
        writeln!(out, "  idleTimeout: {}", GoDuration(idle))?;
    }
    for (tool, bound) in &timeouts.tools {
        writeln!(out, "  timeout of {tool}: {}", GoDuration(*bound))?;
    }
    Ok(())
}

fn dump_aggregation(out: &mut String, aggregation: &Aggregation) -> fmt::Result {
    match &aggregation.conflict_resolution {
        ConflictResolution::Prefix { format } => writeln!(out, "  conflicts: prefix {format:?}")?,
        ConflictResolution::Priority { order } => {
            writeln!(out, "  conflicts: priority [{}]", order.join(", "))?
        }
        ConflictResolution::Manual => writeln!(out, "  conflicts: manual")?,
    }
    if aggregation.exclude_all_tools {
        writeln!(out, "  excludeAllTools: true")?;
    }
    if aggregation.default_visibility == Visibility::Deny {
        writeln!(out, "  defaultVisibility: Deny")?;
    }
    for tools in &aggregation.tools {
        writeln!(out, "  tools of {}:", tools.workload)?;
        if tools.exclude_all {
            writeln!(out, "    excludeAll: true")?;
        }
        if !tools.filter.is_empty() {
            writeln!(out, "    filter: [{}]", tools.filter.join(", "))?;
        }
        for (tool, change) in &tools.overrides {
            writeln!(out, "    override {tool}: [{}]", dump_override(change))?;
        }
    }
    Ok(())
}

fn dump_override(change: &ToolOverride) -> String {
    let mut parts = Vec::new();
    parts.extend(change.name.iter().map(|name| format!("name {name:?}")));
    parts.extend(change.description.iter().map(|description| format!("description {description:?}")));
    if let Some(hints) = &change.annotations {
        parts.extend(hints.title.iter().map(|title| format!("title {title:?}")));
        let named = [
            ("readOnly", hints.read_only_hint),
            ("destructive", hints.destructive_hint),
            ("idempotent", hints.idempotent_hint),
            ("openWorld", hints.open_world_hint),
        ];
        parts.extend(named.into_iter().filter_map(|(name, hint)| hint.map(|hint| format!("{name} {hint}"))));
    }
    parts.join(", ")
}

fn dump_object(out: &mut String, object: &ObjectRef, status: &ObjectStatus) -> fmt::Result {
    writeln!(out, "{object}:")?;
    if status.phase != Phase::None {
        writeln!(out, "  phase: {:?}", status.phase)?;
    }
    if !status.message.is_empty() {
        writeln!(out, "  message: {}", status.message)?;
    }
    if let Some(url) = &status.url {
        writeln!(out, "  url: {url}")?;
    }
    if let Some(ready) = status.details.ready_replicas {
        writeln!(out, "  readyReplicas: {ready}")?;
    }
    if let Some(hash) = &status.details.config_hash {
        writeln!(out, "  configHash: {hash}")?;
    }
    if let Some(workflow) = &status.details.workflow {
        writeln!(out, "  validationStatus: {}", workflow.status())?;
        for error in &workflow.errors {
            writeln!(out, "  validationError: {error}")?;
        }
        writeln!(out, "  referencingVirtualServers: [{}]", workflow.referring.join(", "))?;
    }
    if let Some(members) = &status.members {
        writeln!(out, "  servers: [{}]", members.servers.join(", "))?;
        writeln!(out, "  remoteProxies: [{}]", members.remote_proxies.join(", "))?;
        writeln!(out, "  entries: [{}]", members.entries.join(", "))?;
    }
    for found in &status.discovered {
        writeln!(out, "  discovered {}: {} ({}), {}", found.name, found.url, found.auth_type, found.backend)?;
    }
    for condition in &status.conditions {
        let (kind, state) = (&condition.r#type, condition.status.as_str());
        writeln!(out, "  condition {kind}={state}/{}: {}", condition.reason, condition.message)?;
    }
    Ok(())
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
